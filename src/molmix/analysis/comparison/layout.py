"""The figures and comparisons of all test sets, for lookup by the tables."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from molmix.analysis.bootstrap import Interval
from molmix.analysis.comparison.paired import COLUMNS, compare
from molmix.analysis.comparison.significance import Significance
from molmix.analysis.licences import Licences
from molmix.analysis.provenance import counts
from molmix.analysis.tables import Cell, figure, titled
from molmix.core.errors import fault
from molmix.metrics import Metric, Options, all_metrics
from molmix.metrics.aggregate import read_scores

log = logging.getLogger(__name__)

_NONE = Interval(float("nan"), float("nan"), float("nan"), 0)


class Layout:
    """The data of all tables.

    Args:
        models: rows of the model table by id: kind, parents, method, seed, start and unseeded.
        metrics: all of them.
        figures: by test set, every figure by model and metric.
        comparisons: columns test, and :data:`molmix.analysis.comparison.paired.COLUMNS`. The verdicts about scores
            whose judge is not licensed are removed.
        licences: of the judges.
    """

    def __init__(
        self,
        models: Mapping[str, dict[str, Any]],
        metrics: tuple[Metric, ...],
        figures: Mapping[str, Mapping[tuple[str, str], Interval]],
        comparisons: pd.DataFrame,
        licences: Licences,
    ):
        self.models = models
        self.tests = list(figures)
        self.comparisons = licences.withhold(comparisons)
        self.significance = Significance(self.comparisons)
        self.licences = licences
        self._metrics = metrics
        self._figures = figures

    def metrics(self, test: str) -> list[Metric]:
        """The metrics for which some model of a test set has a figure."""
        having = {metric for (_, metric), found in self._figures[test].items() if found.n}
        return [metric for metric in self._metrics if metric.column in having]

    def headlines(self, test: str) -> list[Metric]:
        """The metrics of :meth:`metrics` that tables for people show."""
        return [metric for metric in self.metrics(test) if metric.headline]

    def titled(self, test: str, metric: Metric) -> str:
        """A metric's title, with a mark if its judge is not licensed for it."""
        return titled(metric) + self.licences.mark(test, metric.column)

    def figure(self, test: str, metric: str, model: str) -> Interval:
        """A model's figure; NaN if it has none."""
        return self._figures[test].get((model, metric), _NONE)

    def cell(self, test: str, metric: str, model: str, *, star: bool = False) -> Cell:
        """A model's figure with half the width of its interval, in bold if it is the best."""
        found = self.figure(test, metric, model)
        return Cell(figure(found.value, found.low, found.high), self.significance.best(test, metric) == model, star)


def compare_tests(
    scores: Mapping[str, Path],
    tests: Sequence[str],
    fixed: Sequence[tuple[str, str, str]],
    options: Options,
    *,
    licences: Mapping[str, Path],
    rows: Mapping[str, dict[str, Any]],
    seed: int,
    statistics: dict[str, Any],
) -> tuple[Layout, list[str], int]:
    """Compare models on every test set.

    Args:
        scores: by model, the folder that holds ``<test>.parquet``.
        tests: names of the test sets.
        fixed, options: as of :func:`molmix.analysis.comparison.paired.compare`.
        licences: as of :class:`molmix.analysis.licences.Licences`.
        rows: of the models, as of :class:`Layout`.
        seed: of resamples and permutations.
        statistics: the config's `statistics`: resamples, level.

    Returns:
        The figures and comparisons; lines of :func:`molmix.analysis.provenance.counts` for each test set; maximum
        number of permutations of a test.

    Raises:
        MolmixError: there is no model.
    """
    if not scores:
        raise fault("config", "there is no model and no system, so nothing to compare", "give `initial` or `systems`")
    figures, parts, counted, permutations = {}, [], [], 0
    for test in tests:
        frames = {model: read_scores(folder / f"{test}.parquet") for model, folder in scores.items()}
        found = compare(frames, fixed, options, seed=seed, **statistics)
        figures[test] = found.figures
        parts.append(found.comparisons.assign(test=test))
        counted += counts(test, frames, {key: figure.n for key, figure in found.figures.items()})
        permutations = max(permutations, found.permutations)
        log.info("%s: %d comparisons, %d permutations", test, len(found.comparisons), found.permutations)
    comparisons = pd.concat(parts, ignore_index=True)[["test", *COLUMNS]]
    return Layout(rows, all_metrics(options), figures, comparisons, Licences(licences, options)), counted, permutations
