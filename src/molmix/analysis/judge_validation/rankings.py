"""Scores on real systems: which pairs each tells apart, and whether it ranks them as published metrics do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from molmix.analysis.bootstrap import Replicates, mean, replicate
from molmix.analysis.holm import holm
from molmix.analysis.judge_validation.ranks import rank_correlation
from molmix.analysis.permutation import p_values, permutations_needed
from molmix.analysis.tables import Cell, Grid, figure_cell
from molmix.metrics import Metric, Options
from molmix.metrics.aggregate import figures_of


def rank_systems(
    frames: Mapping[str, pd.DataFrame],
    scores: Sequence[Metric],
    published: Sequence[Metric],
    options: Options,
    *,
    resamples: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """How each score orders the systems of one test set.

    Args:
        frames: scores by system; the same molecules in the same order.
        scores: scores to look at.
        published: metrics to compare their rankings with; they are looked at, too.
        options: options of the scores.
        resamples: of the molecules, for the intervals; also the minimum number of permutations of a test.
        level: of the intervals; two systems are told apart if the p of their difference, corrected after Holm over all
            pairs of systems by this score, is at most 1 - level.
        seed: of resamples and permutations.

    Returns:
        A row per score: column, title, systems (with a figure), pairs, told_apart (pairs), and for each published
        metric ``spearman_<column>`` with ``_low`` and ``_high``: Spearman's correlation of the two orders of systems,
        turned so that 1 means that both put the better systems first; NaN with fewer than three systems.
    """
    columns, pooled = figures_of(frames, options)
    shown = [*scores, *(metric for metric in published if metric not in scores)]
    drawn = replicate(columns, pooled, resamples=resamples, seed=seed)
    sums = {key: mean(column) for key, column in columns.items()} | pooled
    rows = []
    for metric in shown:
        systems = [
            name for name in frames if (key := (name, metric.column)) in drawn and not np.isnan(drawn[key].value)
        ]
        pairs = [((one, metric.column), (other, metric.column)) for one, other in combinations(systems, 2)]
        most = permutations_needed(len(pairs), level, resamples, len(next(iter(frames.values()))), len(pairs))
        p = holm(p_values(sums, pairs, permutations=resamples, most=most, seed=seed))
        row = {"column": metric.column, "title": metric.title, "systems": len(systems), "pairs": len(pairs)}
        row |= {"told_apart": int(np.sum(p <= 1 - level + 1e-12))}
        for other in published:
            both = [name for name in systems if (name, other.column) in drawn]
            sides = [
                np.stack([np.append(drawn[name, own.column].value, drawn[name, own.column].draws) for name in both], 1)
                * (1 if own.better == "higher" else -1)
                for own in (metric, other)
                if both
            ]
            correlation = rank_correlation(*sides) if len(both) > 2 else np.full(resamples + 1, np.nan)
            found = Replicates(float(correlation[0]), correlation[1:], len(frames)).interval(level)
            name = f"spearman_{other.column}"
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)


def ranking_grids(ranked: pd.DataFrame, published: Sequence[Metric]) -> list[Grid]:
    """A table for each test set.

    Args:
        ranked: rows of :func:`rank_systems`, with a column test; may be empty.
        published: the metrics that rankings were compared with.
    """
    if ranked.empty:
        return []
    header = ["score", "systems", "pairs", "told apart", *(f"ρ with {metric.title}" for metric in published)]
    return [
        Grid(
            f"{test}: systems by score",
            header,
            [
                [Cell(row["title"]), *(Cell(str(row[name])) for name in ("systems", "pairs", "told_apart"))]
                + [figure_cell(row, f"spearman_{metric.column}") for metric in published]
                for _, row in rows.iterrows()
            ],
        )
        for test, rows in ranked.groupby("test", sort=False)
    ]


def ranking_notes(ranked: pd.DataFrame, *, level: float) -> list[str]:
    """Notes on the tables, in Markdown."""
    if ranked.empty:
        return ["There are no two systems to compare.", ""]
    return [
        f"- Told apart: pairs of systems whose difference is significant: two-sided p of at most {1 - level:.2g} by a "
        "paired permutation test over molecules, with Holm's correction over all pairs by this score.",
        "- ρ: Spearman's correlation of the orders of systems by this score and by the metric, with half the width of "
        f"its {level:.0%} interval (bootstrap over molecules). 1: both put the better systems first. Coarse where "
        "systems are few.",
        "",
    ]
