"""Check an NLI model before it judges: on labelled pairs, and on pairs of unrelated texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molmix.core.errors import fault
from molmix.core.files import read_table
from molmix.core.hub import snapshot
from molmix.core.progress import Progress
from molmix.judges.decompose.units import UNITS
from molmix.judges.nli.labels import LABELS
from molmix.judges.nli.licence import draw_null_pairs
from molmix.judges.nli.model import NliModel

AMBIGUOUS = "ambiguous"  # in RefNLI: annotators could not decide; no answer of a model is right or wrong
BINS = 15  # as in Guo et al. 2017 (arXiv 1706.04599)
KEYS = ("premise", "hypothesis", "label")


@dataclass(frozen=True)
class Checked:
    """Results of an NLI model on labelled pairs. A share of an empty set is NaN.

    Attributes:
        pairs: labelled pairs, ambiguous ones included.
        classes: number of the model's classes: three, or two if it has no contradiction.
        accuracy: share of the pairs with a clear label whose label it predicts. If it has no contradiction, a
            contradiction counts as neutral.
        recall: by label, the number of its pairs and the share of them with this prediction.
        others: pairs whose label is not contradiction.
        false_contradictions: share of `others` that it calls contradictions.
        called, wrongly_called: pairs that it calls contradictions, and the share of them that are `others`.
        calibration_error: expected calibration error of the most probable class, in :data:`BINS` bins of equal width.
    """

    pairs: int
    classes: int
    accuracy: float
    recall: dict[str, tuple[int, float]]
    others: int
    false_contradictions: float
    called: int
    wrongly_called: float
    calibration_error: float


@dataclass(frozen=True)
class NullChecked:
    """Results of an NLI model on pairs of atoms of different molecules, most of which are neutral.

    Attributes:
        pairs: number of drawn pairs.
        said: by label, the share of pairs with this prediction.
        mean: by label, the mean probability over the pairs. In a calibrated model, it is the true share of the label.
        calibration_error: expected calibration error of the most probable class, as if every pair were neutral.
        same: number of distinct atoms, each paired with itself.
        same_entailed: share of them for which the model predicts entailment.
    """

    pairs: int
    said: dict[str, float]
    mean: dict[str, float]
    calibration_error: float
    same: int
    same_entailed: float


def check_nli(
    source: str,
    *,
    revision: str | None = None,
    labels: Sequence[str] | None = None,
    pairs: Path | None = None,
    run: Path | None = None,
) -> Iterator[tuple[str, str]]:
    """Check an NLI model on labelled pairs, on the null pairs of a run, or both.

    Args:
        source: local folder of the model, or its hub id.
        revision: commit hash or tag, for a hub id.
        labels: names of the model's classes in its order; default those of its config.
        pairs: labelled pairs; see :func:`check_on_labels`.
        run: folder of a run's results, whose reference atoms are used; see :func:`check_on_null_pairs`.

    Yields:
        Lines of a table: name of a figure, and its value.

    Raises:
        MolmixError: neither pairs nor run is given, a file cannot be read, or it is not an NLI model.
    """
    if pairs is None and run is None:
        raise fault("nli-check", "has no pairs to check the model on", "give --pairs, --run or both")
    if pairs is not None:
        read_labelled(pairs)  # to refuse a wrong file before a model is loaded
    folder = Path(source)
    if not folder.is_dir():
        if revision is None:
            raise fault(source, "is no local folder", "give a hub id its --revision, or correct the path")
        folder = snapshot("nli-check", source, revision, "model")
    model = NliModel.load(folder.resolve(), dtype="auto", labels=labels)
    if not model.has_contradiction:
        yield "note", "the model has two classes, entailment or not: a contradiction counts as neutral"
    if pairs is not None:
        yield from _lines_of_labels(check_on_labels(model, pairs))
    if run is not None:
        found = sorted(run.glob("atoms/*/reference/*.parquet"))
        yield from _lines_of_null_pairs(
            check_on_null_pairs(model, [path for path in found if path.parts[-3] not in UNITS])
        )


def check_on_labels(model: NliModel, path: Path) -> Checked:
    """Compare a model's predictions with the labels of a file.

    Args:
        model: loaded.
        path: JSON lines with `premise`, `hypothesis` and `label` (entailment, neutral, contradiction or ambiguous), as
            in RefNLI (arXiv 2502.05793).

    Raises:
        MolmixError: the file cannot be read.
    """
    rows = read_labelled(path)
    labels = np.array([row["label"] for row in rows])
    probabilities = _ask(model, [(row["premise"], row["hypothesis"]) for row in rows], "labelled pairs")
    said = np.array(LABELS)[probabilities.argmax(axis=1)]
    truth = labels if model.has_contradiction else np.where(labels == "contradiction", "neutral", labels)
    clear, other, called = labels != AMBIGUOUS, labels != "contradiction", said == "contradiction"
    right = (said == truth)[clear]
    return Checked(
        pairs=len(rows),
        classes=2 + model.has_contradiction,
        accuracy=_share(right),
        recall={
            label: (int((truth == label).sum()), _share((said == label)[truth == label]))
            for label in LABELS[: 2 + model.has_contradiction]
        },
        others=int(other.sum()),
        false_contradictions=_share(called[other]),
        called=int(called.sum()),
        wrongly_called=_share(other[called]),
        calibration_error=expected_calibration_error(probabilities.max(axis=1)[clear], right),
    )


def check_on_null_pairs(model: NliModel, atoms: Sequence[Path], *, pairs: int = 1000, seed: int = 0) -> NullChecked:
    """Ask a model about pairs of reference atoms of different molecules, and about each of these atoms and itself.

    Args:
        model: loaded.
        atoms: tables of reference atoms (`id`, `atoms`); a pair is drawn from one table.
        pairs: number of pairs to draw.
        seed: of the draw.

    Raises:
        MolmixError: a table cannot be read, or there are no two molecules with different atoms.
    """
    tables = [
        [row["atoms"] for row in read_table(path, columns=["id", "atoms"]).to_pylist() if row["atoms"]]
        for path in atoms
    ]
    drawn = draw_null_pairs(tables, pairs, seed)
    if not drawn:
        hint = "give a run with two molecules at least, whose references are split into atoms (target `judge`)"
        raise fault(", ".join(map(str, atoms)) or "atoms", "hold no atoms of different molecules", hint)
    probabilities = _ask(model, drawn, "null pairs")
    said = probabilities.argmax(axis=1)
    texts = sorted({text for pair in drawn for text in pair})
    itself = _ask(model, [(text, text) for text in texts], "atoms and themselves").argmax(axis=1)
    return NullChecked(
        pairs=len(drawn),
        said={label: _share(said == index) for index, label in enumerate(LABELS)},
        mean={label: float(probabilities[:, index].mean()) for index, label in enumerate(LABELS)},
        calibration_error=expected_calibration_error(probabilities.max(axis=1), said == LABELS.index("neutral")),
        same=len(texts),
        same_entailed=_share(itself == 0),
    )


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean distance between confidence and accuracy over bins of confidence, weighted by their pairs.

    Args:
        confidence: probability of the predicted class, in [0, 1], shape [n].
        right: whether the prediction is right, bool, shape [n].

    Returns:
        In [0, 1]; NaN if n is 0.
    """
    if not len(confidence):
        return float("nan")
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidence.astype(float) - right, BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def read_labelled(path: Path) -> list[dict[str, str]]:
    """Rows of a file of labelled pairs.

    Raises:
        MolmixError: it is missing or empty, or a line is not a pair with a known label.
    """
    hint = 'write one pair a line: {"premise": "…", "hypothesis": "…", "label": "neutral"}'
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise fault(path, f"cannot be read ({error})", hint) from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise fault(f"{path}, line {number}", "is no JSON", hint) from None
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in KEYS):
            raise fault(f"{path}, line {number}", f"lacks one of the texts {', '.join(KEYS)}", hint)
        if row["label"] not in (*LABELS, AMBIGUOUS):
            known = f"use {', '.join(LABELS)} or {AMBIGUOUS}"
            raise fault(f"{path}, line {number}", f"has the label {row['label']!r}, which is not known", known)
        rows.append(row)
    if not rows:
        raise fault(path, "holds no pairs", hint)
    return rows


def _ask(model: NliModel, pairs: Sequence[tuple[str, str]], name: str) -> np.ndarray:
    """Probabilities, float32 [pairs, 3], in the order of the labels."""
    with Progress(total=len(pairs), unit="pair", desc=f"NLI {name}") as bar:
        return model.score(pairs, bar).probabilities


def _lines_of_labels(checked: Checked) -> Iterator[tuple[str, str]]:
    yield "labelled pairs", str(checked.pairs)
    clear = sum(number for number, _ in checked.recall.values())
    yield "accuracy", f"{checked.accuracy:.3f} of {clear} with a clear label"
    for label, (number, share) in checked.recall.items():
        yield f"  right where the label is {label}", f"{share:.3f} of {number}"
    if checked.classes > len(LABELS) - 1:
        yield "false contradictions", f"{checked.false_contradictions:.3f} of {checked.others} that are none"
        yield "  of what it calls contradictions", f"{checked.wrongly_called:.3f} of {checked.called} are none"
    yield "expected calibration error", f"{checked.calibration_error:.3f}"


def _lines_of_null_pairs(checked: NullChecked) -> Iterator[tuple[str, str]]:
    yield "null pairs (atoms of different molecules)", str(checked.pairs)
    for label, share in checked.said.items():
        yield f"  called {label}", f"{share:.3f} (mean probability {checked.mean[label]:.3f})"
    yield "  expected calibration error, if all are neutral", f"{checked.calibration_error:.3f}"
    yield "atoms that entail themselves", f"{checked.same_entailed:.3f} of {checked.same}"


def _share(which: np.ndarray) -> float:
    return float(which.mean()) if len(which) else float("nan")
