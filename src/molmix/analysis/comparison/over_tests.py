"""The comparisons of all test sets, with what a page says of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from molmix.analysis.comparison.layout import Layout
from molmix.analysis.comparison.paired import COLUMNS, compare
from molmix.analysis.provenance import counts
from molmix.metrics import Options
from molmix.metrics.aggregate import all_metrics, read_scores

log = logging.getLogger(__name__)


def over_tests(
    scores: Mapping[str, Path],
    tests: Sequence[str],
    fixed: Sequence[tuple[str, str, str]],
    options: Options,
    *,
    rows: Mapping[str, dict[str, Any]],
    seed: int,
    statistics: dict[str, Any],
) -> tuple[Layout, list[str], int]:
    """Compare models on every test set.

    Args:
        scores: by model, the folder that holds ``<test>.parquet``.
        tests: names of the test sets.
        fixed, options: as of :func:`molmix.analysis.comparison.paired.compare`.
        rows: of the models, as of :class:`molmix.analysis.comparison.layout.Layout`.
        seed: of resamples and tosses.
        statistics: the config's `statistics`: resamples, level.

    Returns:
        The figures and comparisons; what :func:`molmix.analysis.provenance.counts` says of each test set; tosses of a
        test, at most.
    """
    figures, parts, counted, tosses = {}, [], [], 0
    for test in tests:
        frames = {model: read_scores(folder / f"{test}.parquet") for model, folder in scores.items()}
        found = compare(frames, fixed, options, seed=seed, **statistics)
        figures[test] = found.figures
        parts.append(found.comparisons.assign(test=test))
        counted += counts(test, frames, {key: figure.n for key, figure in found.figures.items()})
        tosses = max(tosses, found.tosses)
        log.info("%s: %d comparisons, %d tosses", test, len(found.comparisons), found.tosses)
    comparisons = pd.concat(parts, ignore_index=True)[["test", *COLUMNS]]
    return Layout(rows, all_metrics(options), figures, comparisons), counted, tosses
