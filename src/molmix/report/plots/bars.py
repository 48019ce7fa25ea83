"""Horizontal bars of differences with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molmix.report.plots.style import INK, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR_HEIGHT = 0.14  # inches


def draw_bars(
    axes: Axes,
    labels: Sequence[str],
    differences: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    stars: Sequence[str],
) -> None:
    """Draw a bar from zero for each difference, the first on top.

    Args:
        axes: axes with a height of :data:`BAR_HEIGHT` for each bar.
        labels: name of each bar.
        differences: in the unit of the metric; NaN is drawn as a dash.
        lows, highs: ends of the intervals; NaN for no interval.
        stars: text next to the outer end of each bar. A bar with a text is dark.
    """
    y = np.arange(len(labels))
    value, low, high = (np.asarray(values, dtype=float) for values in (differences, lows, highs))
    shade = [INK if star else PALE for star in stars]
    axes.barh(y, np.nan_to_num(value), height=0.62, color=shade, edgecolor=INK, linewidth=0.4)
    held = ~np.isnan(value) & ~np.isnan(low) & ~np.isnan(high)
    # A light line under the dark one keeps the interval visible on its own bar.
    for colour, width in (("white", 1.8), ("0.35", 0.8)):
        axes.hlines(y[held], low[held], high[held], color=colour, linewidth=width)
    axes.axvline(0, color=INK, linewidth=0.6)
    for row, star in enumerate(stars):
        if np.isnan(value[row]):
            text, end, left = "–", 0.0, False
        else:
            left = value[row] < 0
            ends = [value[row], low[row] if left else high[row]]
            text, end = star, float(np.nanmin(ends) if left else np.nanmax(ends))
        if text:
            axes.annotate(
                text,
                (end, row),
                (-2 if left else 2, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center_baseline",
            )
    axes.margins(x=0.12)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(y, labels)
    axes.tick_params(axis="y", length=0)
