"""The figures and comparisons of all test sets, as the tables look them up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from molmix.analysis.bootstrap import Interval
from molmix.analysis.comparison.significance import Marks
from molmix.analysis.tables import Cell, figure
from molmix.metrics import Metric

_NONE = Interval(float("nan"), float("nan"), float("nan"), 0)


class Layout:
    """What tables are laid out from.

    Args:
        models: rows of the model table by id: kind, parents, method, seed, start and unseeded.
        metrics: all of them.
        figures: by test set, every figure by model and metric.
        comparisons: columns test, and :data:`molmix.analysis.comparison.paired.COLUMNS`.
    """

    def __init__(
        self,
        models: Mapping[str, dict[str, Any]],
        metrics: tuple[Metric, ...],
        figures: Mapping[str, Mapping[tuple[str, str], Interval]],
        comparisons: pd.DataFrame,
    ):
        self.models = models
        self.tests = list(figures)
        self.comparisons = comparisons
        self.marks = Marks(comparisons)
        self._metrics = metrics
        self._figures = figures

    def metrics(self, test: str) -> list[Metric]:
        """The metrics that some model of a test set has a figure of."""
        having = {metric for (_, metric), found in self._figures[test].items() if found.n}
        return [metric for metric in self._metrics if metric.column in having]

    def headlines(self, test: str) -> list[Metric]:
        """Those of them that people are shown."""
        return [metric for metric in self.metrics(test) if metric.headline]

    def figure(self, test: str, metric: str, model: str) -> Interval:
        """A model's figure; NaN where it has none."""
        return self._figures[test].get((model, metric), _NONE)

    def cell(self, test: str, metric: str, model: str, *, star: bool = False) -> Cell:
        """A model's figure with half the width of its interval, bold where it is the best."""
        found = self.figure(test, metric, model)
        return Cell(figure(found.value, found.low, found.high), self.marks.best(test, metric) == model, star)
