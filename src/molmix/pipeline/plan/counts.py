"""Numbers of rows and captions of a study. The Snakefile asks for those of the test sets, so imports are light."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molmix.config.schema import Config
from molmix.core.files import read_json
from molmix.data.settings import HeldOutSource, HubSource, Source
from molmix.data.sources import read_file

# Rows of the data sets in the shipped configs, by hub id and split. For L+M-24, the paper gives only the number of the
# whole training set (Edwards et al. 2024, arXiv 2403.00791), and `split_train` is a part of it. The number of
# MolTextNet is rounded (Zhu et al. 2025, arXiv 2506.00009).
PUBLISHED = {
    "language-plus-molecules/LPM-24_train": {"split_train": 160_492},
    "liupf/ChEBI-20-MM": {"train": 26_407, "validation": 3_301, "test": 3_300},
    "liuganghuggingface/moltextnet": {"train": 2_500_000},
}
DEMO = {"train": 0.825, "id": 0.08, "ood": 0.08, "validation": 0.015, "long": 0.08}  # shares of the world's molecules
HELD_OUT = 0.05  # share of the subset, if no validation source is given


@dataclass(frozen=True)
class Corpus:
    """Rows that models are trained on.

    Attributes:
        train: number of captions for initial models.
        validation: number of held-out captions.
        shares: number of captions for alignments, by share of the training molecules.
    """

    train: int
    validation: int
    shares: dict[float, int]


@dataclass(frozen=True)
class Counts:
    """Rows of a study.

    Attributes:
        corpora: corpora by name; "" is `data.train`. A corpus of unknown size is missing.
        tests: number of molecules of each test set.
        known: whether the corpus exists and the numbers are its counts; else they are estimates.
    """

    corpora: dict[str, Corpus]
    tests: dict[str, int]
    known: bool

    @property
    def captions(self) -> int:
        """Number of answers that each model writes."""
        return sum(self.tests.values())


def count(study: Config) -> Counts | None:
    """Rows of the corpora, counted or estimated; None if the size of a test set is not known.

    A manifest that lacks one of the study's test sets, corpora or shares is ignored: all will be made again.
    """
    counts = _made(study)
    own = [""] if study.data.train else []  # a study that only scores has no training data
    found = {name: corpus for name in (*own, *study.data.corpora) if (corpus := _counted(study, name, counts))}
    tests = _tests(study, counts)
    if tests is None:
        return None
    whole = len(found) == len(own) + len(study.data.corpora)
    if whole and all(f"tests.{name}" in counts for name in study.data.tests):
        return Counts(found, tests, True)
    sources = {"": (study.data.train, study.data.validation)}
    sources |= {name: (source, None) for name, source in study.data.corpora.items()}
    about = {name: _estimated(study, *source) for name, source in sources.items()}
    return Counts({name: corpus for name, corpus in about.items() if corpus}, tests, False)


def count_tests(study: Config) -> dict[str, int] | None:
    """Molecules of each test set, counted in the corpus or in its source; None if one is not known."""
    return _tests(study, _made(study))


def _tests(study: Config, counts: dict[str, Any]) -> dict[str, int] | None:
    if all(f"tests.{name}" in counts for name in study.data.tests):
        return {name: counts[f"tests.{name}"]["molecules"] for name in study.data.tests}
    sizes = {name: _capped(_rows(study, test.source), test.rows) for name, test in study.data.tests.items()}
    known = {name: size for name, size in sizes.items() if size is not None}
    return known if len(known) == len(sizes) else None


def _made(study: Config) -> dict[str, Any]:
    """Counts of the corpus, if it was made."""
    manifest = Path(f"results/{study.run}/data/manifest.json")
    return read_json(manifest)["counts"] if manifest.is_file() else {}


def _counted(study: Config, name: str, counts: dict[str, Any]) -> Corpus | None:
    """A corpus from the counts of the manifest; None if the manifest lacks the corpus or one of the study's shares."""
    from molmix.data.corpus import count_keys  # loads slowly

    train, subset, validation = (counts.get(part) for part in count_keys(name))
    if train is None or subset is None:
        return None
    shares = {float(share): rows for share, rows in subset.get("rows_by_share", {}).items()}
    shares[subset["fraction"]] = subset["rows"]
    if not set(study.shares()) <= shares.keys():
        return None
    return Corpus(train["rows"], validation["rows"] if validation else 0, shares)


def _estimated(study: Config, source: Source | None, validation: Source | HeldOutSource | None) -> Corpus | None:
    train = _rows(study, source) if source else 0
    if train is None:
        return None
    if source == study.data.train:
        parts = (study.data.validation, *(test.source for test in study.data.tests.values()))
        train = round(train * (1 - sum(part.fraction for part in parts if isinstance(part, HeldOutSource))))
    if validation is not None:
        return Corpus(train, _rows(study, validation) or 0, {share: round(train * share) for share in study.shares()})
    held = round(train * study.data.subset.fraction * HELD_OUT)
    return Corpus(train - held, held, {share: max(0, round(train * share) - held) for share in study.shares()})


def _capped(rows: int | None, most: int | None) -> int | None:
    return rows if most is None else min(most, rows or most)


def _rows(study: Config, source: Source | HeldOutSource) -> int | None:
    if isinstance(source, HeldOutSource):
        whole = _rows(study, study.data.train) if study.data.train else None
        return None if whole is None else round(source.fraction * whole)
    if source.kind == "demo":
        return round(study.world.molecules * DEMO[source.split])
    if isinstance(source, HubSource):
        return _published(source)
    columns = source.columns.mapping()
    return sum(1 for _ in read_file(Path(source.path), columns, source.format, source.quoting))


def _published(source: HubSource) -> int | None:
    """Rows of a split or of a slice of a split (`train[:1000]`, `train[:10%]`); None if not known."""
    splits = PUBLISHED.get(source.id, {})
    if not splits or source.split in splits:
        return splits.get(source.split)
    from datasets import ReadInstruction  # loads slowly

    try:
        parts = ReadInstruction.from_spec(source.split).to_absolute(splits)
    except ValueError:  # an unknown or malformed split, which the rule `corpus` reports
        return None
    return sum(part.to - part.from_ for part in parts)
