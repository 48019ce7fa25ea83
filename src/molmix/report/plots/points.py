"""Models as points with their intervals, told apart by marker and number; a key says which number is whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from molmix.report.plots.places import places
from molmix.report.plots.style import INK, MARKERS, PAGE, PALE, shades, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

MOST = 40  # models that are numbered; the others are dots
SIZE = 4.5  # points: of a marker
NUMBERS = 6.0  # points: of the numbers' type
_NEAR, _DOTS = 7.5, 200  # points: a number that is nearer needs no line; dots that numbers keep off
_DIGIT, _HEIGHT = 0.64 * NUMBERS, NUMBERS  # of a digit
_KINDS = ("initial", "aligned", "merged", "external")


def looks(models: Mapping[str, dict[str, Any]], shown: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each model is drawn: a marker a method, filled the lighter the more was done to it."""
    fills = dict(zip(_KINDS, [*shades(3), "white"], strict=True))
    groups = {model: _group(models[model]) for model in shown}
    markers = {group: MARKERS[place % len(MARKERS)] for place, group in enumerate(dict.fromkeys(groups.values()))}
    return {
        model: {
            "marker": markers[group],
            "markerfacecolor": fills[group[0]],
            "markeredgecolor": INK,
            "markeredgewidth": 0.5,
            "markersize": SIZE,
            "linestyle": "none",
        }
        for model, group in groups.items()
    }


def _group(row: dict[str, Any]) -> tuple[str, str]:
    return row["kind"], row["method"] if row["kind"] in ("aligned", "merged") else ""


def scatter(axes: Axes, x: pd.DataFrame, y: pd.DataFrame, drawn: Mapping[str, dict[str, Any]]) -> None:
    """Draw models by their figures on two axes; those without a look of their own are dots.

    Args:
        axes: its limits are set already.
        x, y: value, low and high by model (:meth:`molmix.report.plots.results.Results.figures`).
        drawn: looks by model.
    """
    whole = x["value"].notna() & y["value"].notna()
    rest = whole & ~whole.index.isin(list(drawn))
    axes.plot(x["value"][rest], y["value"][rest], ".", color=PALE, markersize=2, zorder=1, gid="others")
    for model in [model for model in drawn if whole[model]]:
        across, up = x.loc[model], y.loc[model]
        axes.plot([across["low"], across["high"]], [up["value"]] * 2, color=PALE, linewidth=0.5, zorder=2)
        axes.plot([across["value"]] * 2, [up["low"], up["high"]], color=PALE, linewidth=0.5, zorder=2)
        axes.plot(across["value"], up["value"], zorder=4, label=model, **drawn[model])


def number(axes: Axes, drawn: Mapping[str, dict[str, Any]], numbers: Mapping[str, int]) -> None:
    """Number the points of an axes whose place is settled, beside them, with a line where one stands further off.

    A point that is so crowded that nothing within reach is free stays without.
    """
    to_points = 72 / axes.figure.dpi
    lines = {str(line.get_label()): line for line in axes.lines if line.get_label() in drawn}
    data = {model: np.array(line.get_data(), dtype=float).ravel() for model, line in lines.items()}
    if not data:
        return
    points = axes.transData.transform(np.stack(list(data.values()))) * to_points
    dots = next(line for line in axes.lines if line.get_gid() == "others")
    others = axes.transData.transform(np.array(dots.get_data(), dtype=float).T) * to_points
    sizes = np.array([[_DIGIT * len(str(numbers[model])), _HEIGHT] for model in data])
    box = axes.get_window_extent()
    bounds = np.array([[box.x0, box.y0], [box.x1, box.y1]]) * to_points
    # Numbers keep off dots as far as there are few: a cloud of a thousand has no gaps.
    found = places(points, sizes, bounds, radius=SIZE / 2, others=others[:_DOTS])
    line = {
        "arrowstyle": "-",
        "linewidth": 0.3,
        "color": INK,
        "patchA": None,
        "shrinkA": 3.5,
        "shrinkB": SIZE / 2,
        "relpos": (0.5, 0.5),
    }
    for (model, (x, y)), point, middle in zip(data.items(), points, found, strict=True):
        if np.isnan(middle).any():
            continue
        axes.annotate(
            str(numbers[model]),
            (x, y),
            (float(middle[0] - point[0]), float(middle[1] - point[1])),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=NUMBERS,
            zorder=5,
            arrowprops=line if np.linalg.norm(middle - point) > _NEAR else None,
        )


def key_rows(names: Sequence[str]) -> tuple[int, int]:
    """Columns and rows of a key that is as wide as a page."""
    longest = max((len(short(name)) for name in names), default=1) + 3
    columns = max(1, int(PAGE / (0.06 * longest + 0.3)))
    return columns, -(-len(names) // columns)


def key(figure: SubFigure, drawn: Mapping[str, dict[str, Any]], numbers: Mapping[str, int], note: str) -> None:
    """Which number and marker is which model."""
    from matplotlib.lines import Line2D

    columns, _ = key_rows(list(drawn))
    handles = [Line2D([], [], **look) for look in drawn.values()]
    figure.legend(
        handles,
        [f"{numbers[model]} {short(model)}" for model in drawn],
        loc="center",
        ncols=columns,
        title=note or None,
        title_fontsize=7,
        handletextpad=0.2,
        columnspacing=1.0,
        labelspacing=0.3,
    )
