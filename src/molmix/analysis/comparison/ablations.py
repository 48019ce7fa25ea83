"""An ablation: one factor is varied, and each arm is compared with the baseline on the same molecules.

An arm is a model, or the model that a metric would choose. Two arms may be the same model: this is a result, and their
difference is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.analysis.bootstrap import mean, value_of
from molmix.analysis.comparison.layout import Layout, compare_tests
from molmix.analysis.comparison.significance import BOLD, significant, star
from molmix.analysis.provenance import provenance
from molmix.analysis.tables import Cell, Grid, figure, write_csv, write_pages
from molmix.core.errors import fault
from molmix.metrics import Metric, Options, all_metrics
from molmix.metrics.aggregate import figures_of, read_scores

SORT = "baseline"
COMPARED = [
    "n_compared",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "family",
    "effect",
    "verdict",
]


def compare_arms(
    *,
    ablation: dict[str, Any],
    tests: Sequence[str],
    scores: Path,
    statistics: dict[str, Any],
    options: dict[str, Any],
    licences: Mapping[str, Path],
    seeds: list[int],
    config: str,
    corpus: Path,
    table: Path,
) -> None:
    """Write an ablation's table as CSV (every metric), Markdown and LaTeX (the shown metrics).

    The family for Holm's correction is all arms except the baseline, on one metric and test set.

    Args:
        ablation: a :class:`molmix.analysis.settings.Ablation`, dumped.
        tests: names of the test sets.
        scores: folder that holds ``<model>/<test>.parquet``.
        statistics: the config's `statistics`: resamples, level.
        options: as in :class:`molmix.metrics.Options`.
        licences: as of :class:`molmix.analysis.licences.Licences`.
        seeds: of the study; the first is that of resamples and permutations.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
        table: path of the files to write, without ending.
    """
    chosen = Options(**options)
    metrics = {metric.column: metric for metric in all_metrics(chosen)}
    choices = {label: arm for label, arm in ablation["arms"].items() if not isinstance(arm, str)}
    rankings = {label: _ranking(scores, arm, metrics[arm["best"]], chosen) for label, arm in choices.items()}
    models = {label: rankings[label].index[0] if label in choices else arm for label, arm in ablation["arms"].items()}
    baseline = ablation["baseline"]
    pairs = [(SORT, label, baseline) for label in models if label != baseline]
    layout, counted, permutations = compare_tests(
        {label: scores / model for label, model in models.items()},
        tests,
        pairs,
        chosen,
        licences=licences,
        rows={label: {} for label in models},
        seed=seeds[0],
        statistics=statistics,
    )
    write_csv(_frame(layout, models), table.with_suffix(".csv"))
    level = statistics["level"]
    notes = [
        f"Each figure stands with half the width of its {level:.0%} interval (bootstrap over molecules). Difference, p "
        f"and effect (differences in standard deviations of their own) are those from the baseline, `{baseline}`. "
        f"{BOLD} {star('the baseline')} {significant(level, f'{table.name}.csv')}",
        "",
        *(f"- {line}" for line in _chosen(choices, rankings, metrics)),
        *provenance(
            config=config,
            seeds=seeds,
            corpus=corpus,
            resamples=statistics["resamples"],
            permutations=permutations,
            counted=counted,
        ),
    ]
    grids = _grids(layout, models, baseline, ablation["factor"])
    write_pages(ablation["title"], grids, notes, table, layout.licences.warnings)


def _ranking(scores: Path, arm: dict[str, Any], metric: Metric, options: Options) -> pd.Series:
    """The figures of the models to choose from, the best first. Equal models keep the order of the config."""
    frames = {model: read_scores(scores / model / f"{arm['test']}.parquet") for model in arm["of"]}
    columns, pooled = figures_of(frames, options)
    sums = {key: mean(column) for key, column in columns.items()} | pooled
    values = {model: value_of(sums[model, arm["best"]]) if (model, arm["best"]) in sums else np.nan for model in frames}
    undefined = [model for model, value in values.items() if np.isnan(value)]
    if undefined:
        what = f"{', '.join(undefined)} cannot be ranked: no {arm['best']} on {arm['test']}"
        raise fault("ablations", what, "choose by another metric or test set, or leave them out of `of`")
    return pd.Series(values).sort_values(ascending=metric.better == "lower", kind="stable")


def _chosen(
    choices: Mapping[str, dict[str, Any]], rankings: Mapping[str, pd.Series], metrics: Mapping[str, Metric]
) -> Iterator[str]:
    """Notes: the chosen models, and Kendall's tau-b between two metrics' rankings of the same models."""
    for label, arm in choices.items():
        ranking = rankings[label]
        yield f"{label}: {ranking.index[0]}, the best of {len(ranking)} by {arm['best']} on {arm['test']}."
    for one, other in combinations(choices, 2):
        by = [choices[label]["best"] for label in (one, other)]
        same = all(choices[one][key] == choices[other][key] for key in ("test", "of"))
        if same and by[0] != by[1]:
            from scipy.stats import kendalltau

            sides = [_good(metrics[metric], rankings[label]) for metric, label in zip(by, (one, other), strict=True)]
            tau = float(kendalltau(sides[0], sides[1].reindex(sides[0].index)).statistic)
            who = f"{by[0]} and {by[1]} rank these {len(sides[0])} models"
            yield f"{who} with Kendall's τ {figure(tau)} (1: the same order, 0: no relation, −1: the reverse order)."


def _good(metric: Metric, ranked: pd.Series) -> pd.Series:
    """Figures with the sign such that higher is better."""
    return -ranked if metric.better == "lower" else ranked


def _frame(layout: Layout, models: Mapping[str, str]) -> pd.DataFrame:
    """One row per (test set, metric, arm): its figure, and its comparison with the baseline."""
    own = layout.comparisons[layout.comparisons["sort"] == SORT]
    compared = own.rename(columns={"n": "n_compared"}).set_index(["test", "metric", "model"])[COMPARED].to_dict("index")
    rows = []
    for test in layout.tests:
        for metric in layout.metrics(test):
            for label, model in models.items():
                found = layout.figure(test, metric.column, label)
                row: dict[str, Any] = {"test": test, "metric": metric.column, "better": metric.better}
                row |= {"arm": label, "model": model, "n": found.n}
                row |= {"value": found.value, "low": found.low, "high": found.high}
                rows.append(row | compared.get((test, metric.column, label), dict.fromkeys(COMPARED)))
    return pd.DataFrame(rows)


def _grids(layout: Layout, models: Mapping[str, str], baseline: str, factor: str) -> list[Grid]:
    """For each test set, a grid with one row per metric and arm."""
    own = layout.comparisons[layout.comparisons["sort"] == SORT]
    compared = own.set_index(["test", "metric", "model"]).to_dict("index")
    made = []
    for test in layout.tests:
        rows = []
        for metric in layout.headlines(test):
            for label, model in models.items():
                found = compared.get((test, metric.column, label))
                first = Cell(layout.titled(test, metric) if label == next(iter(models)) else "")
                cells = [first, Cell(label), Cell(model)]
                cells.append(layout.cell(test, metric.column, label, star=bool(found and found["verdict"])))
                rows.append([*cells, *(_beside(found) if label != baseline else [Cell("baseline")])])
        header = ["metric", factor, "model", "value", "difference", "p (Holm)", "effect"]
        made.append(Grid(f"{test}: {factor}", header, rows, names=3))
    return made


def _beside(found: Mapping[Any, Any] | None) -> list[Cell]:
    """Difference, p and effect; dashes without a comparison."""
    if found is None:
        return [Cell("–")] * 3
    gap = figure(found["difference"], found["difference_low"], found["difference_high"], signed=True)
    p = "< .001" if found["p_holm"] < 0.0005 else figure(found["p_holm"])
    return [Cell(gap), Cell(p), Cell(figure(np.round(found["effect"], 2), signed=True))]
