"""Spread over seeds, apart from the intervals: those are over molecules, for one training; this is over trainings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from molmix.analysis.comparison.layout import Layout
from molmix.analysis.tables import Cell, Grid, figure, titled
from molmix.metrics import Metric

MEANING = (
    "Mean, sample standard deviation (SD) and range over trainings that differ in their seed only. The intervals of "
    "the other tables are over molecules, for one training, and do not hold this spread."
)
COLUMNS = ["test", "metric", "better", "model", "seeds", "mean", "deviation", "low", "high"]


def frame(layout: Layout) -> pd.DataFrame:
    """A row a (test set, metric, group of models that differ in their seed only): the spread of their figures.

    `model` is their id without seeds, `seeds` how many of them have a figure, `deviation` the sample standard deviation
    (NaN of one seed), `low` and `high` the least and the greatest figure.
    """
    rows = [
        {"test": test, "metric": metric.column, "better": metric.better, "model": group, **spread}
        for test in layout.tests
        for metric in layout.metrics(test)
        for group, models in _groups(layout).items()
        if (spread := _spread(layout, test, metric, models))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def grids(layout: Layout) -> list[Grid]:
    """For each test set a grid of means, standard deviations and ranges."""
    made = []
    for test in layout.tests:
        shown = layout.headlines(test)
        rows = []
        for group, models in _groups(layout).items():
            spreads = [_spread(layout, test, metric, models) for metric in shown]
            cells = [Cell(_text(spread)) if spread else Cell("–") for spread in spreads]
            rows.append([Cell(group), Cell(str(len(models))), *cells])
        made.append(Grid(f"{test}: spread over seeds", ["model", "seeds", *map(titled, shown)], rows))
    return made


def _groups(layout: Layout) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for model, row in layout.models.items():
        if row["unseeded"]:
            groups.setdefault(row["unseeded"], []).append(model)
    return {group: models for group, models in groups.items() if len(models) > 1}


def _spread(layout: Layout, test: str, metric: Metric, models: list[str]) -> dict[str, float]:
    values = np.array([layout.figure(test, metric.column, model).value for model in models])
    values = values[~np.isnan(values)]
    if not len(values):
        return {}
    return {
        "seeds": len(values),
        "mean": float(values.mean()),
        "deviation": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _text(spread: dict[str, float]) -> str:
    mean, deviation, low, high = (figure(spread[name]) for name in ("mean", "deviation", "low", "high"))
    return f"{mean} (SD {deviation}; {low} to {high})"
