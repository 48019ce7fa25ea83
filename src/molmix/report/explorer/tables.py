"""Data of the explorer, read from the tables of a run: units and probabilities of judges, values, comparisons."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molmix.core.errors import fault
from molmix.core.files import make_again, read_table
from molmix.judges.kinds import JudgeSettings, NliJudge
from molmix.judges.matrices import MATCHED, MOST_ENTAILED, Explanation, PairMatrices, by_shape

MATRICES = ("forward_entailment", "forward_contradiction", "backward_entailment", "backward_contradiction")
# Columns of a judge with verdicts that are about pairs: empty if a text has no units.
_OF_PAIRS = ("contradiction", "picks", "match", "matching", "coverage", "covering", "recall")
Owner = tuple[str, str]  # a test set and a model


def judge_columns(judge: JudgeSettings, reference: Path, generated: Path, judged: Path) -> dict[str, list[Any]]:
    """Units, verdicts and probabilities of every caption of one system.

    Args:
        judge: the judge.
        reference, generated: tables of the units of both texts.
        judged: table of the judge's stage.

    Returns:
        Lists with a value for each row. Every judge has ``atoms`` (units of the caption) and ``fallback``. A judge that
        asks no NLI model also has ``verdicts``, ``reasons`` and ``covered``. One that does has ``truncated``,
        ``matrices`` (two or four lists of thousandths, row-major [generated, reference], in the order of
        :data:`MATRICES`; empty if a text has no units) and ``nearest`` (index of the reference unit that entails each
        generated unit most). A judge that gives verdicts also has ``verdicts``, ``contradiction`` and ``picks`` (index
        of the reference unit that the row-wise operation selects), ``match`` and ``matching`` (index of the reference
        unit that matches best) for the generated units, and ``covered``, ``coverage``, ``covering`` and ``recall`` (its
        match) for the reference units.

    Raises:
        MolmixError: a table is missing or damaged, or the tables do not belong together.
    """
    said, wanted, asked = read_table(generated), read_table(reference, ["atoms"]), read_table(judged)
    atoms = said["atoms"].to_pylist()
    sizes = [said["id"].to_pylist(), [*map(len, atoms)], [*map(len, wanted["atoms"].to_pylist())]]
    if sizes != [asked[name].to_pylist() for name in ("id", "n_generated", "n_reference")]:
        raise fault(judged, f"was made of other units than {generated}", make_again(judged))
    found: dict[str, list[Any]] = {"atoms": atoms, "fallback": said["fallback"].to_pylist()}
    if not isinstance(judge, NliJudge):
        return found | {name: asked[name].to_pylist() for name in ("verdicts", "reasons", "covered")}
    found["truncated"] = asked["n_truncated"].to_pylist()
    for rows, matrices in by_shape(asked):
        for name, values in _columns_of_shape(judge, matrices).items():
            column = found.setdefault(name, [None] * len(atoms))
            for row, value in zip(rows.tolist(), values, strict=True):
                column[row] = value
    return found


def _columns_of_shape(judge: NliJudge, matrices: PairMatrices) -> dict[str, Any]:
    """The columns of captions with matrices of one shape, [captions, G generated units, R reference units]."""
    many, generated, reference = matrices.forward_entailment.shape
    explanation = judge.explain(matrices.or_zeros())
    if not generated or not reference:
        columns: dict[str, Any] = dict.fromkeys(("matrices", "nearest"), [[]] * many)
        if explanation.verdicts is not None:  # without pairs, no unit is supported, contradicted or covered
            columns |= {"verdicts": [["unsupported"] * generated] * many, "covered": [["missed"] * reference] * many}
            columns |= dict.fromkeys(_OF_PAIRS, [[]] * many)
        return columns
    names = MATRICES if judge.both_ways else MATRICES[:2]
    cells = np.stack([getattr(matrices, name).reshape(many, -1) for name in names], axis=1)
    columns = {
        "matrices": np.rint(cells * 1000).astype(int).tolist(),
        "nearest": explanation.deciding[MOST_ENTAILED].tolist(),
    }
    if explanation.verdicts is not None and explanation.covered is not None:
        picks = [chosen.tolist() for chosen in picked(explanation).values()]
        columns |= {
            "verdicts": explanation.verdicts.tolist(),
            "contradiction": [rounded(row, 4) for row in explanation.terms["hallucination"][0].tolist()],
            "picks": picks[0] if picks else [[]] * many,
            "match": [rounded(row, 4) for row in explanation.terms["atomic_precision"][0].tolist()],
            "matching": explanation.deciding[MATCHED].tolist(),
            "covered": explanation.covered.tolist(),
            "coverage": [rounded(row, 4) for row in explanation.terms["coverage"][0].tolist()],
            "covering": matrices.backward_entailment.argmax(axis=-2).tolist(),
            "recall": [rounded(row, 4) for row in explanation.terms["atomic_recall"][0].tolist()],
        }
    return columns


def picked(explanation: Explanation) -> dict[str, np.ndarray]:
    """The reference unit whose contradiction counts for each generated unit, by reason; empty if it is none."""
    return {why: units for why, units in explanation.deciding.items() if why not in (MOST_ENTAILED, MATCHED)}


def read_figures(path: Path, metrics: Sequence[str]) -> dict[Owner, list[list[float | None] | None]]:
    """Value, low and high of every metric, in the given order; None if the leaderboard has no value.

    Raises:
        MolmixError: the file is not a leaderboard.
    """
    return {
        (row["test"], row["model"]): [
            triple if (triple := _numbers(row, (name, f"{name}_low", f"{name}_high")))[0] is not None else None
            for name in metrics
        ]
        for row in _rows(path, {"test", "model"})
    }


def read_comparisons(path: Path, metrics: Sequence[str], models: Sequence[str]) -> dict[Owner, list[list[Any]]]:
    """Comparisons of every model: indices of metric and other model, sort, n, difference, low, high, p, verdict.

    Raises:
        MolmixError: the file is not a table of comparisons.
    """
    columns, others = ({name: index for index, name in enumerate(names)} for names in (metrics, models))
    found: dict[Owner, list[list[Any]]] = defaultdict(list)
    for row in _rows(path, {"test", "model", "metric", "other", "sort", "n", "difference", "p_holm", "verdict"}):
        if row["metric"] in columns and row["other"] in others:
            numbers = _numbers(row, ("n", "difference", "difference_low", "difference_high", "p_holm"))
            pair = columns[row["metric"]], others[row["other"]]
            found[row["test"], row["model"]].append([*pair, row["sort"], *numbers, row["verdict"]])
    return found


def rounded(values: Iterable[float | None], digits: int) -> list[float | None]:
    """Rounded values; None for undefined scores."""
    return [None if value is None or not math.isfinite(value) else round(float(value), digits) for value in values]


def _rows(path: Path, needed: set[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if not needed <= {*(reader.fieldnames or ())}:
            lacks = ", ".join(sorted(needed - {*(reader.fieldnames or ())}))
            raise fault(path, f"lacks the columns {lacks}", f"make it again: snakemake --cores all --forcerun {path}")
        return list(reader)


def _numbers(row: dict[str, str], names: Sequence[str]) -> list[float | None]:
    return rounded((float(row[name]) if row.get(name) else None for name in names), 6)
