"""What was gained over the start: the difference of every model from its own starting point, metric by metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molmix.analysis.tables import titled
from molmix.report.plots.bars import ROOM, bars
from molmix.report.plots.results import Results, foremost, told
from molmix.report.plots.style import PAGE, nothing, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODELS, _METRICS = 50, 6  # that a page has room for


def effects(results: Results, test: str) -> Figure:
    """A column of bars a metric, a row a model; a star where the difference is beyond chance."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    own = results.comparisons[(results.comparisons["test"] == test) & (results.comparisons["sort"] == "start")]
    metrics = [metric for metric in results.headlines([test]) if metric.column in set(own["metric"])][:_METRICS]
    known = [model for model, row in results.models.items() if row["start"]]
    if not metrics:
        return nothing(f"{test}: no model and its starting point both have a figure")
    leading = metrics[0]
    gains = own[own["metric"] == leading.column].set_index("model")["difference"].reindex(known)
    models = foremost(gains, _MODELS, lowest=leading.better == "lower")
    figure = Figure(figsize=(PAGE, ROOM * len(models) + 0.75), layout="constrained")
    columns = np.atleast_1d(figure.subplots(1, len(metrics)))
    for axes, metric in zip(columns, metrics, strict=True):
        rows = own[own["metric"] == metric.column].set_index("model").reindex(models)
        marks = ["*" if verdict in ("better", "worse") else "" for verdict in rows["verdict"]]
        labels = [short(model) for model in models]
        value, low, high = (rows[name].tolist() for name in ("difference", "difference_low", "difference_high"))
        bars(axes, labels, value, low, high, marks)
        axes.xaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2, symmetric=True))
        axes.set_title(titled(metric), loc="left")
        axes.spines["left"].set_visible(False)
    for axes in columns[1:]:
        axes.set_yticks([])  # not `sharey`, which lays out every name for every metric
    note = told(models, known, f"the greatest gains in {leading.title}")
    figure.supxlabel(f"{test}: difference from the model's own starting point" + (f" ({note})" if note else ""))
    return figure
