"""Comparison of two test sets: how much lower the scores of models are out of distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molmix.analysis.tables import titled
from molmix.report.plots.results import Results, axis_limits, best_models, omitted_note
from molmix.report.plots.style import INK, PAGE, PALE, message_figure, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODELS, _METRICS = 44, 6  # maximum numbers on a page
_ROW = 0.17  # inches of height for each model
_APART = 0.17  # distance of a model's two values from the middle of its row, in rows


def distribution(results: Results, first: str, other: str) -> Figure:
    """A column for each metric and a row for each model: its value on the first test set above that on the other."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    metrics = results.headlines([first, other])[:_METRICS]
    if not metrics:
        return message_figure(f"{first} and {other} have no metric in common")
    leading, known = metrics[0], list(results.models)
    models = best_models(results.figures(first, leading.column)["value"], _MODELS, lowest=leading.better == "lower")
    figure = Figure(figsize=(PAGE, _ROW * len(models) + 0.9), layout="constrained")
    columns = np.atleast_1d(figure.subplots(1, len(metrics)))
    y = np.arange(len(models))
    for axes, metric in zip(columns, metrics, strict=True):
        pair = [results.figures(test, metric.column).loc[models] for test in (first, other)]
        axes.hlines(y, *axis_limits(pair), color=PALE, linewidth=0.3, zorder=0)
        for values, up, marker, fill in zip(pair, (-_APART, _APART), "oD", (INK, "white"), strict=True):
            axes.hlines(y + up, values["low"], values["high"], color=INK, linewidth=0.7)
            axes.plot(
                values["value"],
                y + up,
                marker,
                markersize=3,
                markerfacecolor=fill,
                markeredgecolor=INK,
                markeredgewidth=0.6,
            )
        axes.set_xlim(*axis_limits(pair))
        axes.xaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
        axes.set_title(titled(metric), loc="left")
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(models) - 0.4, -0.6)
        axes.set_yticks([])  # with `sharey`, the layout would process all names again for every metric
    columns[0].set_yticks(y, [short(model) for model in models])
    columns[0].tick_params(axis="y", length=0)
    note = omitted_note(models, known, f"the best {leading.title} on {first}")
    figure.supxlabel(f"● {first}   ◇ {other}" + (f"   ({note})" if note else ""))
    return figure
