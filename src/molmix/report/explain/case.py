"""The tables from which one score was computed: for one metric, model and test set, and the rows of one caption."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from molmix.config.schema import Config
from molmix.core.errors import fault
from molmix.core.files import make_again, read_table
from molmix.core.validation import check_name, did_you_mean
from molmix.judges.kinds import DIRECTIONS, parse_judge
from molmix.metrics import Options, all_metrics
from molmix.metrics.families.judges import prefixes
from molmix.pipeline import model_table as models
from molmix.pipeline.origins import check_origins


@dataclass(frozen=True)
class Scores:
    """One model's scores on one test set, for one metric.

    Attributes:
        study: the config of the run.
        metric: a column of ``table``.
        better: the better direction, ``higher`` or ``lower``.
        judge: name of the judge that gives the score; None for any other metric.
        model, test: the model and the test set.
        measured: every metric of the table.
        path: file of the scores.
        table: the scores, a row for each caption.
    """

    study: Config
    metric: str
    better: str
    judge: str | None
    model: str
    test: str
    measured: list[str]
    path: Path
    table: pa.Table

    @staticmethod
    def of(study: Config, metric: str, model: str, test: str) -> Scores:
        """Read the scores.

        Raises:
            MolmixError: the metric, model or test set does not exist, or was not measured (yet).
        """
        metrics = metrics_of(study)
        check_name(metric, metrics, "METRIC", "metric")
        check_name(model, models.build(study), "MODEL", "model")
        check_name(test, study.data.tests, "TEST", "test set")
        path = Path(f"results/{study.run}/scores/{model}/{test}.parquet")
        if not path.exists():
            hint = f"run `snakemake --cores all {path}` with the same --configfile, or change to the folder of the run"
            raise fault(path, "does not exist: these captions are not scored yet", hint)
        check_origins([path])
        table = read_table(path)
        measured = [name for name in metrics if name in table.column_names]
        if metric not in measured:
            raise fault("METRIC", f"{metric!r} is not measured on {test!r}", f"measured are: {', '.join(measured)}")
        better, judge = metrics[metric]
        return Scores(study, metric, better, judge, model, test, measured, path, table)

    def from_worst(self) -> list[dict[str, Any]]:
        """Rows with a value, the worst first. Equal values keep the order of the table."""
        rows = self.table.select(["id", "text", self.metric]).to_pylist()
        defined = [row for row in rows if row[self.metric] is not None and row[self.metric] == row[self.metric]]
        return sorted(defined, key=lambda row: row[self.metric], reverse=self.better == "lower")

    def case(self, caption: str) -> Case:
        """One caption.

        Raises:
            MolmixError: the caption does not exist.
        """
        ids = self.table["id"].to_pylist()
        if caption not in ids:
            hint = did_you_mean(caption, ids, "leave ID out to list the worst captions")
            raise fault("ID", f"{self.test!r} has no caption {caption!r}", hint)
        return Case(self, caption)


@dataclass(frozen=True)
class Case:
    """One caption, with its row in each table of the run."""

    scores: Scores
    caption: str

    @property
    def metric(self) -> str:
        """The metric's column."""
        return self.scores.metric

    @property
    def judge(self) -> str | None:
        """Name of the judge that gives the score; None for any other metric."""
        return self.scores.judge

    @property
    def direction(self) -> str:
        """``mol2cap`` or ``cap2mol``: whether the model was asked for a caption or for a molecule."""
        return self.scores.study.data.tests[self.scores.test].direction

    @cached_property
    def row(self) -> dict[str, Any]:
        """Scores of the caption."""
        return self.row_of(self.scores.path).to_pylist()[0]

    @property
    def value(self) -> float:
        """The caption's value of the metric; NaN if it is undefined."""
        value = self.row[self.metric]
        return float("nan") if value is None else float(value)

    @cached_property
    def given(self) -> dict[str, Any]:
        """The caption's row of the test set."""
        return self.row_of(self.path("data/tests")).to_pylist()[0]

    @property
    def files(self) -> list[Path]:
        """All tables with a row of this caption."""
        folders = [
            "data/tests",
            f"predictions/{self.scores.model}",
            *self.judge_folders(),
            f"scores/{self.scores.model}",
        ]
        return [self.path(folder) for folder in folders]

    def judge_folders(self) -> list[str]:
        """Folders of the judge's tables; see :func:`judged_folders`."""
        if self.judge is None:
            return []
        return judged_folders(self.scores.study, self.judge, self.scores.model)

    def path(self, folder: str) -> Path:
        """The test set's table in a folder of the run."""
        return Path(f"results/{self.scores.study.run}/{folder}/{self.scores.test}.parquet")

    def row_of(self, path: Path) -> pa.Table:
        """The caption's row of a table, as a table with one row.

        Raises:
            MolmixError: the table is missing or damaged, or lacks the caption.
        """
        if not path.exists():
            raise fault(path, "does not exist, and the scores were made from it", make_again(path))
        table = read_table(path)
        index = pc.index(table["id"], self.caption).as_py()
        if index < 0:
            raise fault(path, f"has no caption {self.caption!r}", make_again(path))
        return table.slice(index, 1)


def judged_folders(study: Config, judge: str, model: str) -> list[str]:
    """Folders of a judge's tables: units of the reference, units of the model, and what its scores are made from."""
    settings = study.judges[judge]
    return [
        f"atoms/{settings.reference_units}/reference",
        f"atoms/{settings.generated_units}/{model}",
        f"{settings.stage}/{judge}/{model}",
    ]


def options_of(study: Config) -> Options:
    """Settings of a study's metrics."""
    judges = {name: judge.model_dump() for name, judge in study.judges.items()}
    return Options(judges=judges, domain=study.domain, **study.metrics.options())


def metrics_of(study: Config) -> dict[str, tuple[str, str | None]]:
    """All metrics of the config: the better direction, and the judge that gives the metric (None for other metrics)."""
    options = options_of(study)
    judges = options.judges
    shown = {metric.column: metric.better for metric in all_metrics(options)}
    return {
        f"{prefix}{column}": (DIRECTIONS[column], name)
        for name, prefix in prefixes(judges).items()
        for column in parse_judge(judges[name]).columns
        if column in DIRECTIONS
    } | {column: (better, None) for column, better in shown.items() if column.rpartition(".")[2] not in DIRECTIONS}
