"""The comparisons of one test set: difference, interval, p, correction and effect size, a row each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from molmix.analysis.bootstrap import Interval, Replicates, mean, replicate
from molmix.analysis.holm import holm
from molmix.analysis.permutation import p_values, tosses_needed
from molmix.metrics import Metric, Options
from molmix.metrics.aggregate import Figure, all_metrics, figures_of

COLUMNS = [
    *("metric", "better", "sort", "model", "other", "n", "value", "low", "high"),
    *("other_value", "other_low", "other_high", "difference", "difference_low", "difference_high"),
    *("p", "p_holm", "family", "effect", "verdict"),
]


@dataclass(frozen=True)
class Compared:
    """The models of one test set.

    Attributes:
        figures: every figure with its interval, by model and metric.
        comparisons: a row a (metric, sort, model, other), columns :data:`COLUMNS`.
        tosses: of each test, at most.
    """

    figures: dict[Figure, Interval]
    comparisons: pd.DataFrame
    tosses: int


def compare(
    frames: Mapping[str, pd.DataFrame],
    fixed: Sequence[tuple[str, str, str]],
    options: Options,
    *,
    resamples: int,
    level: float,
    seed: int,
) -> Compared:
    """Compare the models of one test set on every metric, those that are named and every one with the best.

    A family, over which Holm corrects, is one sort of comparison on one metric and test set: all models with their own
    starting points; all merges with both parents; all models with the best. The best is found from the scores that are
    then tested, so the family of that last sort is *all* pairs of models, of which those with the best are at hand.

    Args:
        frames: scores by model; the same molecules in the same order.
        fixed: comparisons that do not follow from the scores: sort, model, other
            (:mod:`molmix.analysis.comparison.pairs`).
        options: what the scores were made with.
        resamples: of the molecules, for the intervals; tosses of the test at least.
        level: of the intervals; a comparison is beyond chance where its corrected p is at most 1 - level.
        seed: of resamples and tosses, which all models and metrics share.

    Returns:
        Comparisons of the models that both have a figure, by metric. `difference` is model less other. `p`, `p_holm`:
        before and after correction over `family` hypotheses. `effect`: the difference in standard deviations of the
        paired differences (Cohen's d_z), see :func:`_effect`. `verdict`: `better` or `worse` where the difference is
        beyond chance, else empty.
    """
    columns, pooled = figures_of(frames, options)
    found = replicate(columns, pooled, resamples=resamples, seed=seed)
    pairs: list[tuple[Metric, str, str, str]] = []
    families: dict[tuple[str, str], int] = {}
    for metric in all_metrics(options):
        values = {model: found[model, metric.column].value for model in frames if (model, metric.column) in found}
        values = {model: value for model, value in values.items() if not np.isnan(value)}
        own = [pair for pair in fixed if {*pair[1:]} <= values.keys()]
        families |= {(metric.column, sort): size for sort, size in Counter(sort for sort, *_ in own).items()}
        families[metric.column, "best"] = len(values) * (len(values) - 1) // 2
        pairs += [(metric, *pair) for pair in own + _with_best(values, metric.better)]
    summed = {key: mean(column) for key, column in columns.items()} | pooled
    p, tosses = np.full(len(pairs), np.nan), resamples
    rows = max((len(frame) for frame in frames.values()), default=0)
    # Sort by sort: the families of most sorts are small, and a small family needs few tosses.
    for sort in dict.fromkeys(pair[1] for pair in pairs):
        places = [place for place, pair in enumerate(pairs) if pair[1] == sort]
        largest = max(size for (_, owner), size in families.items() if owner == sort)
        most = tosses_needed(largest, level, resamples, rows, len(places))
        own_pairs = [pairs[place] for place in places]
        sides = [((model, metric.column), (other, metric.column)) for metric, _, model, other in own_pairs]
        p[places] = p_values(summed, sides, tosses=resamples, most=most, seed=seed)
        tosses = max(tosses, most)
    figures = {key: figure.interval(level) for key, figure in found.items()}
    table = pd.DataFrame([_row(*pair, found, figures, level) for pair in pairs], columns=COLUMNS).assign(p=p)
    for (column, sort), size in families.items():
        own_rows = (table["metric"] == column) & (table["sort"] == sort)
        table.loc[own_rows, "family"] = size
        table.loc[own_rows, "p_holm"] = holm(table.loc[own_rows, "p"].to_numpy(dtype=float), size)
    # 1 - .9 is a little less than .1, which a p may be.
    beyond = table["p_holm"].astype(float) <= 1 - level + 1e-12
    ahead = (table["difference"] > 0) == (table["better"] == "higher")
    table["verdict"] = np.where(beyond, np.where(ahead, "better", "worse"), "")
    return Compared(figures, table, tosses)


def _with_best(values: Mapping[str, float], better: str) -> list[tuple[str, str, str]]:
    """Every model beside the best one; of equals, the first of the model table is the best."""
    if not values:
        return []
    best = (max if better == "higher" else min)(values, key=lambda model: values[model])
    return [("best", model, best) for model in values if model != best]


def _row(
    metric: Metric,
    sort: str,
    model: str,
    other: str,
    found: Mapping[Figure, Replicates],
    figures: Mapping[Figure, Interval],
    level: float,
) -> dict[str, Any]:
    difference = found[model, metric.column].minus(found[other, metric.column])
    gap, mine, yours = difference.interval(level), figures[model, metric.column], figures[other, metric.column]
    return {
        "metric": metric.column,
        "better": metric.better,
        "sort": sort,
        "model": model,
        "other": other,
        "n": gap.n,
        "value": mine.value,
        "low": mine.low,
        "high": mine.high,
        "other_value": yours.value,
        "other_low": yours.low,
        "other_high": yours.high,
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "effect": _effect(difference),
    }


def _effect(difference: Replicates) -> float:
    """The difference over √n times its bootstrap standard error.

    For a mean that is Cohen's d_z, the mean difference over the standard deviation of the differences (Cohen 1988),
    up to the resampling; for BLEU and the like, which have no difference for each molecule, it is the same thing of
    the whole. NaN where the difference does not vary.
    """
    draws = difference.draws[~np.isnan(difference.draws)]
    error = float(np.std(draws)) if len(draws) else 0.0
    if error <= 1e-9 * max(1.0, abs(difference.value)):
        return np.nan
    return difference.value / (error * np.sqrt(difference.n))
