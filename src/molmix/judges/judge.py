"""A judge as an object, which scores captions against references: ``from molmix import Judge``.

It runs the stages of the graph with the same caches (:mod:`molmix.judges.text_judge`). So its scores equal those of a
study.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from molmix.core.errors import MolmixError, counted, fault, show_value
from molmix.core.files import digest, read_json
from molmix.core.hub import snapshot
from molmix.core.schema import Section
from molmix.core.validation import check_name, describe_error
from molmix.judges.decompose import BACKENDS
from molmix.judges.decompose.backends._local import LocalSettings
from molmix.judges.explanation import explain_caption
from molmix.judges.kinds import KINDS, NliJudge
from molmix.judges.nli.cached_model import CachedModel
from molmix.judges.nli.inference import predict_pairs
from molmix.judges.nli.labels import LABELS, label_order
from molmix.judges.nli.licence import Licence, measure_licence, refuse_unlicensed, warn_about
from molmix.judges.nli.settings import PretrainedNli
from molmix.judges.text_judge import JudgedTexts, TextJudge
from molmix.models.pretrained import fetch

if TYPE_CHECKING:
    import pandas as pd

Settings = TypeVar("Settings", bound=Section)


class Judge:
    """Scores captions against references.

    >>> judge = Judge("atomic", nli="some/nli-model")
    >>> judge.score(["The molecule is a dye."], ["The molecule is a drug."])
    >>> print(judge.explain(0))

    Args:
        kind: a kind of judge (:data:`molmix.judges.kinds.KINDS`), such as ``atomic`` or ``summac_zs``.
        nli: the NLI model: a local folder, or a hub id, preferably with a commit (``organisation/name@commit``).
            Without a commit, the newest version is fetched; :attr:`revision` is its commit. Kinds that ask no NLI
            model, such as ``grounded``, take none.
        labels: meaning of the model's classes, in its order, each one of ``entailment``, ``neutral`` and
            ``contradiction``. It is needed only if the model does not name its classes (``LABEL_0``).
        decomposer: splits captions into atoms, for kinds that need atoms: the name of a backend
            (:data:`molmix.judges.decompose.BACKENDS`), or its settings, such as ``{"backend": "openai", …}``; default
            that of the kind.
        store: folder of the caches; the default is that of all studies that run in the working folder.
        max_length: maximum tokens of a pair; longer pairs are cut.
        batch_tokens: tokens in a batch of pairs, fewer on a CPU.
        dtype: number format of the computation: ``auto``, ``float32``, ``bfloat16`` or ``int8``.
        engine: library that computes: ``torch``, ``openvino``, ``onnx``, or ``auto`` for the fastest exact one
            (docs/judges.md).
        strict: refuse to score if the judge is not licensed for its main scores, that is, if its NLI model cannot read
            the references. Without it, a Python warning says so.
        settings: settings of the kind (docs/config.md), such as ``operation="max"``.

    Attributes:
        licence: results of the checks of the NLI model on the references of the last call of :meth:`score`
            (:mod:`molmix.judges.nli.licence`); None before.

    Raises:
        MolmixError: a setting is wrong, or the model cannot be loaded or is not an NLI model.
    """

    def __init__(
        self,
        kind: str = "atomic",
        *,
        nli: str | PathLike[str] | None = None,
        labels: Sequence[str] | None = None,
        decomposer: str | Mapping[str, Any] | None = None,
        store: str | PathLike[str] = "results/store",
        max_length: int = 256,
        batch_tokens: int = 16384,
        dtype: str = "auto",
        engine: str = "torch",
        strict: bool = False,
        **settings: Any,
    ) -> None:
        check_name(kind, KINDS, "kind", "kind of judge")
        self.revision: str | None = None
        own: Mapping[str, Any] = {"backend": decomposer} if isinstance(decomposer, str) else decomposer or {}
        if own:
            settings["decomposer"] = own.get("backend")
        self._store = Path(store)
        if issubclass(KINDS[kind], NliJudge):
            if nli is None:
                raise fault("nli", f"missing: a judge of kind {kind!r} asks an NLI model", "name a folder or a hub id")
            if isinstance(labels, str):
                hint = 'give a list: ["entailment", "neutral", "contradiction"]'
                raise fault("labels", f"is the text {show_value(labels)}", hint)
            source, self.revision = resolve_model(str(nli))
            settings["nli"] = model_name(source)
            asked = {"max_length": max_length, "batch_tokens": batch_tokens, "dtype": dtype, "engine": engine}
            asked |= {"id": source, "revision": self.revision, "labels": None if labels is None else list(labels)}
            model = _parse(PretrainedNli, {"kind": "pretrained", **asked}, "Judge")
        elif nli is not None:
            raise fault("nli", f"{show_value(str(nli))} is given, and a judge of kind {kind!r} asks none", "remove it")
        self.settings = _parse(KINDS[kind], {"kind": kind, **settings}, "Judge")
        decomposer_settings, decomposer_model = self._load_decomposer(own)
        self._strict = strict
        self.licence: Licence | None = None
        self._checked = ""  # digest of the references of the licence
        cached = None
        if isinstance(self.settings, NliJudge):
            manifest = self._fetch("nli", source, self.revision)
            check_labels(Path(read_json(manifest)["weights"]["path"]), labels)
            cached = CachedModel(manifest, self._store / "nli", **model.asked())
        self._judge = TextJudge(self.settings, self._store, cached, decomposer_settings, decomposer_model)
        self._last: JudgedTexts | None = None

    def score(
        self,
        references: Iterable[str | Iterable[str]],
        captions: Iterable[str],
        *,
        molecules: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Score captions. Pairs that are not in the cache are computed, with a progress bar on a terminal.

        A call with other references than the last one also checks whether the NLI model can read them (up to 600 more
        pairs).

        Args:
            references: n items: one text, or a list of texts, for each caption.
            captions: n texts; a text may be empty.
            molecules: n SMILES, for kinds that read them (`grounded`).

        Returns:
            n rows in the given order, numbered from 0, with a column for each score of the judge (float64:
            probabilities and shares in [0, 1]; NaN if a score is not defined) and each count (``n_generated`` and
            ``n_reference`` atoms). docs/metrics.md has the definitions.

        Raises:
            MolmixError: the two lists have different lengths, are empty, or hold a value that is not text; a reference
                is empty; the model cannot be run; or with `strict`, the judge is not licensed.
        """
        texts, given = _check_captions(captions), _check_references(references)
        if len(texts) != len(given):
            what = f"{counted(len(given), 'reference')} for {counted(len(texts), 'caption')}"
            raise fault("score", what, "give one reference, or one list of references, for each caption")
        smiles = self._check_molecules(molecules, len(texts))
        if isinstance(self.settings, NliJudge) and (content := digest(given)) != self._checked:
            self._check(self.settings, given)
            self._checked = content
        self._last = self._judge.judge(texts, given, smiles)
        if "n_truncated" in self._last.table.column_names:
            cut = sum(1 for pairs in self._last.table["n_truncated"].to_pylist() if pairs)
            if cut:
                what = f"{cut} of {len(texts)} captions have pairs of texts that are longer than `max_length`"
                warnings.warn(f"{what}, and were cut: their ends are not judged", stacklevel=2)
        return self._last.scores.to_pandas()

    def compute(
        self,
        *,
        predictions: Iterable[str],
        references: Iterable[str | Iterable[str]],
        molecules: Iterable[str] | None = None,
    ) -> dict[str, float]:
        """The mean of every score, with the signature of metrics in Hugging Face's `evaluate`.

        Args:
            predictions, references, molecules: the captions, references and molecules of :meth:`score`.

        Returns:
            By score, the mean over the captions with a defined score; NaN if there are none. An empty caption, for
            example, has an atomic F1 (0) and no hallucination, so it does not count for the latter.
        """
        scores = self.score(references, predictions, molecules=molecules)
        return {score.column: float(scores[score.column].mean()) for score in self.settings.scores}

    def explain(self, index: int) -> str:
        """Explain the scores of a caption of the last call: units, deciding pairs, every score as a sum.

        Args:
            index: number of the caption, from 0.

        Raises:
            MolmixError: :meth:`score` was not called yet, or there is no such caption.
        """
        if self._last is None:
            raise fault("explain", "nothing was scored yet", "call `score` first")
        count = len(self._last.table)
        if not isinstance(index, int) or not 0 <= index < count:
            raise fault("explain", f"there is no caption {show_value(index)}", f"give a number from 0 to {count - 1}")
        row = self._last.scores.slice(index, 1).to_pylist()[0]
        lines = explain_caption(
            self.settings.kind,
            self.settings,
            reference=self._last.reference.slice(index, 1).to_pylist()[0],
            generated=self._last.generated.slice(index, 1).to_pylist()[0],
            judged=self._last.table.slice(index, 1),
            scores={score.column: float(row[score.column]) for score in self.settings.scores},
        )
        return "\n".join(lines)

    def _check(self, judge: NliJudge, references: Sequence[Sequence[str]]) -> None:
        """Check the judge on references, and warn or refuse."""
        model = self._judge.nli
        assert model is not None
        units = self._judge.cut(references, judge.generated_units)
        ask = partial(predict_pairs, model=model, cache=self._store / "nli", name="licence")
        self.licence = measure_licence([" ".join(several) for several in references], units, ask)
        if self._strict:
            refuse_unlicensed(judge.kind, judge, {"these references": self.licence})
        for line in warn_about(judge.kind, judge, "these references", self.licence):
            warnings.warn(line, stacklevel=3)

    def _check_molecules(self, molecules: Iterable[str] | None, count: int) -> list[str] | list[None]:
        if molecules is None:
            if self.settings.needs_molecules:
                what = f"missing: a judge of kind {self.settings.kind!r} reads molecules"
                raise fault("molecules", what, "give the SMILES of each caption")
            return [None] * count
        smiles = [_check_text(text, "molecules", index) for index, text in enumerate(_listed(molecules, "molecules"))]
        if len(smiles) != count:
            raise fault(
                "molecules",
                f"{counted(len(smiles), 'molecule')} for {counted(count, 'caption')}",
                "give one SMILES for each caption",
            )
        return smiles

    def _load_decomposer(self, settings: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Path | None]:
        """Settings of the decomposer, dumped, and the manifest of its model; None if the judge has none."""
        backend = self.settings.decomposed_by
        if backend is None:
            return None, None
        check_name(backend, BACKENDS, "decomposer", "backend")
        own = _parse(BACKENDS[backend], {"backend": backend, **settings}, "decomposer")
        model = self._fetch("decomposer", own.id, own.revision) if isinstance(own, LocalSettings) else None
        return own.model_dump(), model

    def _fetch(self, kind: str, source: str, revision: str | None) -> Path:
        """Manifest of a model, in the store. The model is loaded at its first use."""
        manifest = self._store / "models" / digest(kind, str(Path(source).absolute()), revision) / "manifest.json"
        fetch(model_id=model_name(source), kind=kind, source=source, revision=revision, manifest=manifest)
        return manifest


def resolve_model(name: str, key: str = "nli") -> tuple[str, str | None]:
    """The local folder, or the hub id and the commit, of a model's name.

    Args:
        name: a folder, ``organisation/name@revision``, or ``organisation/name`` for its newest version.
        key: the argument or option that gives the name, for messages.

    Raises:
        MolmixError: the name is neither, or the hub cannot be reached.
    """
    if name.strip() and Path(name).is_dir():
        return name, None
    repository, _, revision = name.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        hint = "name a folder that is there, or a hub id as organisation/name@commit"
        raise fault(key, f"{show_value(name)} is no local folder", hint)
    return repository, revision or snapshot(key, repository, "main", "model").name


def model_name(source: str) -> str:
    """A model name that is valid in a config, from its folder or hub id."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source).absolute().name).strip("-_")[:40] or "nli"


def check_labels(folder: Path, labels: Sequence[str] | None) -> bool:
    """Refuse a classifier unless its classes are those of an NLI model. Return whether one of them is contradiction.

    Args:
        folder: of the model.
        labels: names of its classes; None for those of its config.

    Raises:
        MolmixError: the classes are unknown (``LABEL_0``), or `labels` has another number of classes.
    """
    from molmix.models.loading import load_config

    names: Any = load_config(folder).id2label or {}
    if labels is not None and len(labels) != len(names):
        raise fault(folder, f"has {len(names)} classes, not {len(labels)}", "name every class in `labels`")
    order = label_order(names if labels is None else dict(enumerate(labels)), folder)
    return LABELS.index("contradiction") in order


def _parse(section: type[Settings], content: dict[str, Any], where: str) -> Settings:
    """Validated settings; all errors are joined into one message."""
    try:
        return section.model_validate(content)
    except ValidationError as error:
        schema = section.model_json_schema()
        lines = [describe_error(content, dict(item), schema) for item in error.errors(include_url=False)]
        raise MolmixError(f"{where}: {counted(len(lines), 'thing')} to fix\n" + "\n".join(lines)) from None


def _check_captions(captions: Iterable[str]) -> list[str]:
    return [_check_text(text, "captions", index) for index, text in enumerate(_listed(captions, "captions"))]


def _check_references(references: Iterable[str | Iterable[str]]) -> list[list[str]]:
    checked = []
    for index, item in enumerate(_listed(references, "references")):
        texts = [item] if isinstance(item, str) or not isinstance(item, Iterable) else list(item)
        if not texts:
            raise fault(f"references[{index}]", "is an empty list", "give each caption at least one reference")
        for text in texts:
            if not _check_text(text, "references", index).strip():
                raise fault(f"references[{index}]", f"is {show_value(text)}", "write text there, or remove the pair")
        checked.append(texts)
    return checked


def _listed(items: Any, name: str) -> list[Any]:
    if hasattr(items, "columns"):  # iterating over a table gives the names of its columns
        raise fault(name, "is a table", "give one of its columns")
    if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
        raise fault(name, f"is {show_value(items)}", "give a list of texts")
    if not (listed := list(items)):
        raise fault(name, "is empty", "give at least one caption with its reference")
    return listed


def _check_text(text: Any, name: str, index: int) -> str:
    if not isinstance(text, str):
        hint = "give text; a caption that is missing is an empty text" if name == "captions" else "give text"
        raise fault(f"{name}[{index}]", f"is {show_value(text)}", hint)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise fault(f"{name}[{index}]", f"holds half a character: {show_value(text)}", "write whole ones") from None
    return text
