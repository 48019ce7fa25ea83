"""Bars of differences, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molmix.report.plots.style import INK, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOM = 0.14  # inches of height that a bar needs


def bars(
    axes: Axes,
    labels: Sequence[str],
    differences: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    marks: Sequence[str],
) -> None:
    """Draw a horizontal bar from zero for each difference, the first on top.

    Args:
        axes: what to draw on; give it :data:`ROOM` of height a bar.
        labels: what each bar is of.
        differences: in the metric's unit; NaN is drawn as a dash.
        lows, highs: ends of the intervals; NaN for none.
        marks: what stands behind the outer end of each bar, such as a star; may be empty. A marked bar is dark.
    """
    places = np.arange(len(labels))
    value, low, high = (np.asarray(values, dtype=float) for values in (differences, lows, highs))
    shade = [INK if mark else PALE for mark in marks]
    axes.barh(places, np.nan_to_num(value), height=0.62, color=shade, edgecolor=INK, linewidth=0.4)
    held = ~np.isnan(value) & ~np.isnan(low) & ~np.isnan(high)
    # Light under dark, so that an interval shows on its own bar too
    for colour, width in (("white", 1.8), ("0.35", 0.8)):
        axes.hlines(places[held], low[held], high[held], color=colour, linewidth=width)
    axes.axvline(0, color=INK, linewidth=0.6)
    for place, mark in enumerate(marks):
        if np.isnan(value[place]):
            text, end, left = "–", 0.0, False
        else:
            left = value[place] < 0
            ends = [value[place], low[place] if left else high[place]]
            text, end = mark, float(np.nanmin(ends) if left else np.nanmax(ends))
        if text:
            axes.annotate(
                text,
                (end, place),
                (-2 if left else 2, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center_baseline",
            )
    axes.margins(x=0.12)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
