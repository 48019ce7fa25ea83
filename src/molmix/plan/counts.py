"""How much a study has to work through: rows, captions, tokens, pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from molmix.config import Config, HubSource, Source
from molmix.files import read_json
from molmix.sources import read_file

# Rows of data sets that the shipped configs name, by hub id and split; of L+M-24 only the whole training set is
# published (Edwards et al. 2024, arXiv 2403.00791), which its `split_train` is a part of.
PUBLISHED = {
    ("language-plus-molecules/LPM-24_train", "split_train"): 160_492,
    ("liupf/ChEBI-20-MM", "train"): 26_407,
    ("liupf/ChEBI-20-MM", "validation"): 3_301,
    ("liupf/ChEBI-20-MM", "test"): 3_300,
}
DEMO = {"train": 0.825, "id": 0.08, "ood": 0.08, "validation": 0.015, "long": 0.08}  # shares of the world's molecules
HELD_OUT = 0.05  # of the subset, where no validation source is given

# What no file says before the run, as L+M-24's and ChEBI-20's captions have it.
PROMPT, CAPTION = 150, 80  # tokens of a prompt with its molecule, and of a caption
ATOMS = 6  # of a caption
ASK, ATOMISED = 500, 150  # tokens of a decomposer's prompt, and of its answer
PAIR = 40  # tokens of a pair of atoms
DISTINCT = 0.02  # share of the cells of all systems that are pairs of their own: captions of one corpus repeat atoms


@dataclass(frozen=True)
class Counts:
    """Rows of a study.

    Attributes:
        subset: captions that alignment sees.
        validation: captions held out of it.
        train: captions that initial models see.
        tests: molecules of each test set.
        known: whether the corpus is there, and these are counts of it.
    """

    train: int
    subset: int
    validation: int
    tests: dict[str, int]
    known: bool

    @property
    def captions(self) -> int:
        """Answers that each model writes."""
        return sum(self.tests.values())


def count(study: Config) -> Counts | None:
    """Rows of the corpus, or what they will be about; None where a source's size is not known here."""
    manifest = Path(f"results/{study.run}/data/manifest.json")
    if manifest.is_file():
        counts = read_json(manifest)["counts"]
        train, subset, validation = (counts.get(name, {}).get("rows", 0) for name in ("train", "subset", "validation"))
        tests = {name: counts[f"tests.{name}"]["molecules"] for name in study.data.tests}
        return Counts(train, subset, validation, tests, True)
    sizes = {name: _capped(_rows(study, test.source), test.rows) for name, test in study.data.tests.items()}
    train = _rows(study, study.data.train) if study.data.train else 0
    held = _rows(study, study.data.validation) if study.data.validation else None
    if train is None or any(size is None for size in sizes.values()):
        return None
    subset = round(train * study.data.subset.fraction)
    if study.data.validation is None:
        held = round(subset * HELD_OUT)
        subset -= held
    return Counts(train, subset, held or 0, {name: size or 0 for name, size in sizes.items()}, False)


def _capped(rows: int | None, most: int | None) -> int | None:
    return rows if most is None else min(most, rows or most)


def _rows(study: Config, source: Source) -> int | None:
    if source.kind == "demo":
        return round(study.world.molecules * DEMO[source.split])
    if isinstance(source, HubSource):
        return PUBLISHED.get((source.id, source.split))
    columns = source.columns.mapping()
    return sum(1 for _ in read_file(Path(source.path), columns, source.format, source.quoting))
