"""One test set against another: what models keep of their figures out of distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molmix.analysis.tables import titled
from molmix.report.plots.results import Results, foremost, reach, told
from molmix.report.plots.style import INK, PAGE, PALE, nothing, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODELS, _METRICS = 44, 6  # that a page has room for
_ROW, _APART = 0.17, 0.17  # inches a model; rows between its two figures


def distribution(results: Results, first: str, other: str) -> Figure:
    """A column a metric, a row a model: its figure on the one test set above its figure on the other."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    metrics = results.headlines([first, other])[:_METRICS]
    if not metrics:
        return nothing(f"{first} and {other} have no metric in common")
    leading, known = metrics[0], list(results.models)
    models = foremost(results.figures(first, leading.column)["value"], _MODELS, lowest=leading.better == "lower")
    figure = Figure(figsize=(PAGE, _ROW * len(models) + 0.9), layout="constrained")
    columns = np.atleast_1d(figure.subplots(1, len(metrics)))
    places = np.arange(len(models))
    for axes, metric in zip(columns, metrics, strict=True):
        pair = [results.figures(test, metric.column).loc[models] for test in (first, other)]
        axes.hlines(places, *reach(pair), color=PALE, linewidth=0.3, zorder=0)
        for values, up, marker, fill in zip(pair, (-_APART, _APART), "oD", (INK, "white"), strict=True):
            axes.hlines(places + up, values["low"], values["high"], color=INK, linewidth=0.7)
            axes.plot(
                values["value"],
                places + up,
                marker,
                markersize=3,
                markerfacecolor=fill,
                markeredgecolor=INK,
                markeredgewidth=0.6,
            )
        axes.set_xlim(*reach(pair))
        axes.xaxis.set_major_locator(MaxNLocator(2, min_n_ticks=2))
        axes.set_title(titled(metric), loc="left")
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(models) - 0.4, -0.6)
        axes.set_yticks([])  # not `sharey`, which lays out every name for every metric
    columns[0].set_yticks(places, [short(model) for model in models])
    columns[0].tick_params(axis="y", length=0)
    note = told(models, known, f"the best {leading.title} on {first}")
    figure.supxlabel(f"● {first}   ◇ {other}" + (f"   ({note})" if note else ""))
    return figure
