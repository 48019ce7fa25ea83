"""Gains over the start: the difference of every model from its start, for each metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molmix.analysis.tables import titled
from molmix.report.plots.bars import BAR_HEIGHT, draw_bars
from molmix.report.plots.results import Results, best_models, omitted_note
from molmix.report.plots.style import PAGE, message_figure, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODELS, _METRICS = 50, 6  # maximum numbers on a page


def effects(results: Results, test: str) -> Figure:
    """A column of bars for each metric, a row for each model; a star marks a significant difference."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    own = results.comparisons[(results.comparisons["test"] == test) & (results.comparisons["sort"] == "start")]
    metrics = [metric for metric in results.headlines([test]) if metric.column in set(own["metric"])][:_METRICS]
    known = [model for model, row in results.models.items() if row["start"]]
    if not metrics:
        return message_figure(f"{test}: no model and its starting model both have a value")
    leading = metrics[0]
    gains = own[own["metric"] == leading.column].set_index("model")["difference"].reindex(known)
    models = best_models(gains, _MODELS, lowest=leading.better == "lower")
    figure = Figure(figsize=(PAGE, BAR_HEIGHT * len(models) + 0.75), layout="constrained")
    columns = np.atleast_1d(figure.subplots(1, len(metrics)))
    for axes, metric in zip(columns, metrics, strict=True):
        rows = own[own["metric"] == metric.column].set_index("model").reindex(models)
        stars = ["*" if verdict in ("better", "worse") else "" for verdict in rows["verdict"]]
        labels = [short(model) for model in models]
        value, low, high = (rows[name].tolist() for name in ("difference", "difference_low", "difference_high"))
        draw_bars(axes, labels, value, low, high, stars)
        axes.xaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2, symmetric=True))
        axes.set_title(titled(metric), loc="left")
        axes.spines["left"].set_visible(False)
    for axes in columns[1:]:
        axes.set_yticks([])  # with `sharey`, the layout would process all names again for every metric
    note = omitted_note(models, known, f"the greatest gains in {leading.title}")
    figure.supxlabel(f"{test}: difference from the model's own starting point" + (f" ({note})" if note else ""))
    return figure
