"""The comparisons of one test set: one row each with difference, interval, p, correction and effect size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from molmix.analysis.bootstrap import Interval, Replicates, intervals, mean, replicate, value_of
from molmix.analysis.holm import holm
from molmix.analysis.permutation import p_values, permutations_needed
from molmix.metrics import Metric, Options, Pooled, all_metrics
from molmix.metrics.aggregate import Figure, figures_of

COLUMNS = [
    *("metric", "better", "sort", "model", "other", "n", "value", "low", "high"),
    *("other_value", "other_low", "other_high", "difference", "difference_low", "difference_high"),
    *("p", "p_holm", "family", "effect", "verdict"),
]

_BLOCK = 1000  # pairs whose differences are in memory at once


@dataclass(frozen=True)
class Compared:
    """The models of one test set.

    Attributes:
        figures: every figure with its interval, by model and metric.
        comparisons: one row per (metric, sort, model, other), columns :data:`COLUMNS`.
        permutations: maximum number of permutations of a test.
    """

    figures: dict[Figure, Interval]
    comparisons: pd.DataFrame
    permutations: int


def fixed_pairs(models: Mapping[str, dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Comparisons that follow from the lineage of models.

    Args:
        models: by id, `start` (None if it has none), `kind` and `parents`.

    Returns:
        Sort, model, other: every model with its own start, every merge with both parents. The best model is found from
        the scores.
    """
    starts = [("start", model, row["start"]) for model, row in models.items() if row["start"]]
    merges = [(model, row["parents"]) for model, row in models.items() if row["kind"] == "merged"]
    return starts + [("parent", model, parent) for model, parents in merges for parent in parents]


def asked_pairs(models: Iterable[str], asked: str | Sequence[str | Sequence[str]]) -> list[tuple[str, str, str]]:
    """Comparisons that the config asks for.

    Args:
        models: ids of all models.
        asked: the config's `statistics.compare`.

    Returns:
        Sort, model, other, each pair once.
    """
    names = list(models)
    if asked == "all":
        return [("asked", one, other) for one, other in combinations(names, 2)]
    pairs: dict[frozenset[str], tuple[str, str, str]] = {}
    for one in asked:
        several = [(model, one) for model in names] if isinstance(one, str) else [(one[0], one[1])]
        for model, other in several:
            if model != other:
                pairs.setdefault(frozenset((model, other)), ("asked", model, other))
    return list(pairs.values())


def compare(
    frames: Mapping[str, pd.DataFrame],
    fixed: Sequence[tuple[str, str, str]],
    options: Options,
    *,
    resamples: int,
    level: float,
    seed: int,
) -> Compared:
    """Compare the models of one test set on every metric: the given pairs, and every model with the best.

    Two models are compared on the molecules for which both have a score. If there are none, nothing is tested: the row
    has n = 0, no difference and no p.

    A family for Holm's correction is one sort of comparison on one metric and test set: all models with their own
    starts; all merges with both parents; all pairs that the config asks for; all models with the best. The best model
    is selected by the same scores that are then tested. So the family of that last sort is *all* pairs of models,
    although only those with the best are tested.

    Args:
        frames: scores by model; the same molecules in the same order.
        fixed: comparisons that do not follow from the scores: sort, model, other
            (:func:`fixed_pairs`, :func:`asked_pairs`).
        options: options of the scores.
        resamples: of the molecules, for the intervals; also the minimum number of permutations of a test.
        level: of the intervals; a difference is significant if its corrected p is at most 1 - level.
        seed: of resamples and permutations, which all models and metrics share.

    Returns:
        Comparisons of models that both have a figure, by metric. `value` and `other_value` are the models' own figures,
        over all of their scores. `n` and all later columns are over the molecules for which both have a score:
        `difference` is model minus other; `p`, `p_holm`: before and after correction over `family` hypotheses;
        `effect`: the difference in standard deviations of the paired differences (Cohen's d_z), see :func:`_effect`;
        `verdict`: `better` or `worse` if the difference is significant, else empty.

    Raises:
        MolmixError: the scores are of different molecules.
    """
    columns, pooled = figures_of(frames, options)
    values = {key: value for key, sums in _sums(columns, pooled).items() if not np.isnan(value := value_of(sums))}
    pairs: list[tuple[Metric, str, str, str]] = []
    for metric in all_metrics(options):
        own = {model: values[model, metric.column] for model in frames if (model, metric.column) in values}
        pairs += [(metric, *pair) for pair in fixed if {*pair[1:]} <= own.keys()]
        pairs += [(metric, *pair) for pair in _with_best(own, metric.better)]
    shared, sides = _shared_rows(columns, [(model, other, metric.column) for metric, _, model, other in pairs])
    columns_of: dict[Any, np.ndarray] = {**columns, **shared}
    found: dict[Any, Replicates] = replicate(columns_of, {**pooled}, resamples=resamples, seed=seed)
    tested = np.array([min(found[one].n, found[other].n) > 0 for one, other in sides], dtype=bool)
    families = _families(pairs, tested, columns, pooled)
    summed = _sums(columns_of, pooled)
    p, permutations = np.full(len(pairs), np.nan), resamples
    rows = max((len(frame) for frame in frames.values()), default=0)
    # Each sort separately: most sorts have small families, which need few permutations.
    for sort in dict.fromkeys(pair[1] for pair in pairs):
        chosen = [index for index, pair in enumerate(pairs) if pair[1] == sort and tested[index]]
        largest = max(size for (_, owner), size in families.items() if owner == sort)
        most = permutations_needed(largest, level, resamples, rows, len(chosen))
        p[chosen] = p_values(summed, [sides[index] for index in chosen], permutations=resamples, most=most, seed=seed)
        permutations = max(permutations, most)
    keys = [*columns, *pooled]
    figures = dict(zip(keys, intervals([found[key] for key in keys], level), strict=True))
    table = pd.DataFrame(_rows(pairs, sides, found, figures, level), columns=COLUMNS).assign(p=p)
    for (column, sort), size in families.items():
        family = (table["metric"] == column) & (table["sort"] == sort)
        table.loc[family, "family"] = size
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"].to_numpy(dtype=float), size)
    # In floats, 1 - .9 is slightly below .1, which is a possible p.
    significant = table["p_holm"].astype(float) <= 1 - level + 1e-12
    ahead = (table["difference"] > 0) == (table["better"] == "higher")
    table["verdict"] = np.where(significant, np.where(ahead, "better", "worse"), "")
    return Compared(figures, table, permutations)


def _sums(columns: Mapping[Any, np.ndarray], pooled: Mapping[Any, Pooled]) -> dict[Any, Pooled]:
    """Every figure as a function of sums."""
    return {key: mean(column) for key, column in columns.items()} | dict(pooled)


def _shared_rows(
    columns: Mapping[Figure, np.ndarray], pairs: Sequence[tuple[str, str, str]]
) -> tuple[dict[tuple[str, str, str], np.ndarray], list[tuple[Any, Any]]]:
    """The scores of two models on the molecules for which both have a score.

    Args:
        columns: scores by model and metric.
        pairs: model, other, metric.

    Returns:
        Additional columns, by model, metric and the other model, for pairs whose models have scores on different
        molecules; and for each pair, the keys of its two sides.
    """
    shared: dict[tuple[str, str, str], np.ndarray] = {}
    sides: list[tuple[Any, Any]] = []
    for model, other, metric in pairs:
        one, two = (model, metric), (other, metric)
        if one in columns and (np.isnan(columns[one]) != np.isnan(columns[two])).any():
            both = ~np.isnan(columns[one]) & ~np.isnan(columns[two])
            shared[*one, other] = np.where(both, columns[one], np.nan)
            shared[*two, model] = np.where(both, columns[two], np.nan)
            sides.append(((*one, other), (*two, model)))
        else:
            sides.append((one, two))
    return shared, sides


def _families(
    pairs: Sequence[tuple[Metric, str, str, str]],
    tested: np.ndarray,
    columns: Mapping[Figure, np.ndarray],
    pooled: Mapping[Figure, Pooled],
) -> dict[tuple[str, str], int]:
    """Number of testable hypotheses in the family of each metric and sort."""
    families = Counter(
        (metric.column, sort) for (metric, sort, *_), held in zip(pairs, tested, strict=True) if held and sort != "best"
    )
    for column in {metric.column for metric, sort, *_ in pairs if sort == "best"}:
        held = np.array([~np.isnan(scores) for (_, name), scores in columns.items() if name == column], dtype=float)
        whole = sum(name == column and not np.isnan(value_of(figure)) for (_, name), figure in pooled.items())
        shared = int(np.triu(held @ held.T > 0, k=1).sum()) if len(held) else 0
        families[column, "best"] = shared + whole * (whole - 1) // 2
    return {(metric.column, sort): families[metric.column, sort] for metric, sort, *_ in pairs}


def _with_best(values: Mapping[str, float], better: str) -> list[tuple[str, str, str]]:
    """Pairs of every other model with the best one. Of equal models, the first in the model table is the best."""
    if not values:
        return []
    best = (max if better == "higher" else min)(values, key=lambda model: values[model])
    return [("best", model, best) for model in values if model != best]


def _rows(
    pairs: Sequence[tuple[Metric, str, str, str]],
    sides: Sequence[tuple[Any, Any]],
    found: Mapping[Any, Replicates],
    figures: Mapping[Figure, Interval],
    level: float,
) -> list[dict[str, Any]]:
    """The rows of a table, without p and what follows from it. Differences are made in blocks, to save memory."""
    rows: list[dict[str, Any]] = []
    for start in range(0, len(pairs), _BLOCK):
        differences = [found[one].minus(found[other]) for one, other in sides[start : start + _BLOCK]]
        gaps = intervals(differences, level)
        for (metric, sort, model, other), difference, gap in zip(
            pairs[start : start + _BLOCK], differences, gaps, strict=True
        ):
            own, others = figures[model, metric.column], figures[other, metric.column]
            row: dict[str, Any] = {"metric": metric.column, "better": metric.better}
            row |= {"sort": sort, "model": model, "other": other}
            row |= {"n": gap.n, "value": own.value, "low": own.low, "high": own.high}
            row |= {"other_value": others.value, "other_low": others.low, "other_high": others.high}
            row |= {"difference": gap.value, "difference_low": gap.low, "difference_high": gap.high}
            rows.append(row | {"effect": _effect(difference)})
    return rows


def _effect(difference: Replicates) -> float:
    """The difference divided by √n times its bootstrap standard error.

    For a mean, this is Cohen's d_z up to resampling error: the mean difference divided by the standard deviation of the
    differences (Cohen 1988). BLEU and similar figures have no difference for each molecule; for them it is the
    analogous quantity of the whole test set. NaN if the difference does not vary.
    """
    draws = difference.draws[~np.isnan(difference.draws)]
    error = float(np.std(draws)) if len(draws) else 0.0
    if error <= 1e-9 * max(1.0, abs(difference.value)):
        return np.nan
    return difference.value / (error * np.sqrt(difference.n))
