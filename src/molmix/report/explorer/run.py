"""One run's tables, and which of them are not there (yet)."""

from __future__ import annotations

from pathlib import Path

from molmix.config.schema import Config
from molmix.pipeline import model_table as models
from molmix.report.explain.case import judged_folders, metrics_of


class Run:
    """A run in the working folder.

    Attributes:
        study: its config.
        root: its folder.
        models, tests, judges, metrics: names, in the order that pages number them by.
        units: every way that judges cut the references.
        missing: tables that were asked for and are not there.
    """

    def __init__(self, study: Config) -> None:
        self.study = study
        self.root = Path(f"results/{study.run}")
        self.table = models.build(study)
        self.models, self.tests, self.judges = [*self.table], [*study.data.tests], [*study.judges]
        self.metrics = metrics_of(study)
        self.units = [*dict.fromkeys(judge.reference_units for judge in study.judges.values())]
        self.missing: list[str] = []

    def path(self, folder: str, test: str) -> Path:
        """The test set's table in a folder of the run."""
        return self.root / folder / f"{test}.parquet"

    def has(self, path: Path) -> bool:
        """Whether a table is there; one that is not is noted."""
        if not path.exists() and str(path) not in self.missing:
            self.missing.append(str(path))
        return path.exists()

    def asks_judges(self, test: str) -> bool:
        """Whether answers to a test set are captions, which judges read."""
        return self.study.data.tests[test].direction == "mol2cap"

    def judged(self, judge: str, model: str, test: str) -> list[Path]:
        """Both sides' units and their pairs' probabilities; nothing where one of these tables is not there."""
        paths = [self.path(folder, test) for folder in judged_folders(self.study, judge, model)]
        return paths if all([self.has(path) for path in paths]) else []
