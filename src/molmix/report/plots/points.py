"""Models as points with their intervals. A marker and a number identify each model; a key lists the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from molmix.report.plots.style import INK, MARKERS, PAGE, PALE, shades, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

MOST = 40  # maximum number of numbered models; the others are dots
SIZE = 5.0  # marker size in points
NUMBERS = 6.0  # font size of the numbers
_NEAR = 7.5  # points: a number farther away than this gets a line to its point
_DOTS = 200  # the numbers avoid at most this many dots, because a thousand dots leave no gaps
_DIGIT, _HEIGHT = 0.64 * NUMBERS, NUMBERS  # width and height of a digit
_RINGS = (6.5, 9.0, 12.0, 16.0, 21.0, 27.0, 34.0, 42.0, 52.0)  # points: candidate distances of a label from its point
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_GAP = np.array([1.5, 0.5])  # minimum gap in points: 5 and 7 side by side must not read 57
_SHADES = 3  # number of shades that a reader can tell apart; with _FILLS, there are 12 fills
_FILLS = ("full", "left", "none", "bottom")
_SCALE = {"s": 0.9, "D": 0.85, "P": 1.15, "X": 1.15, "*": 1.6, **dict.fromkeys("^v<>", 1.15)}  # markers of equal areas
STYLE_NOTE = "shape: method; fill: what it was applied to (start, or merged models)"


def point_styles(models: Mapping[str, dict[str, Any]], shown: Sequence[str]) -> dict[str, dict[str, Any]]:
    """matplotlib settings of each model's point.

    The marker shows the method of alignment or merge. The fill shows what the method was applied to: the starting model
    or the merged models. So two models differ in marker or fill, and always in their number.
    """
    groups = {model: _group(models[model]) for model in shown}
    subjects = {model: _subject(model, models[model]) for model in shown}
    markers = {group: MARKERS[index % len(MARKERS)] for index, group in enumerate(dict.fromkeys(groups.values()))}
    fills = {subject: _fill(index) for index, subject in enumerate(dict.fromkeys(filter(None, subjects.values())))}
    return {
        model: {
            "marker": markers[group],
            "markersize": SIZE * _SCALE.get(markers[group], 1.0),
            "linestyle": "none",
            **fills.get(subjects[model], _fill(None)),
        }
        for model, group in groups.items()
    }


def _group(row: dict[str, Any]) -> tuple[str, str]:
    return row["kind"], row["method"] if row["kind"] in ("aligned", "merged") else ""


def _subject(model: str, row: dict[str, Any]) -> tuple[str, ...]:
    """What a method was applied to; an initial model itself; nothing for a system from elsewhere."""
    if row["kind"] in ("aligned", "merged"):
        return tuple(row["parents"])
    return (model,) if row["kind"] == "initial" else ()


def _fill(index: int | None) -> dict[str, Any]:
    """The settings of a fill; white for None."""
    colour = "white" if index is None else shades(_SHADES)[index % _SHADES]
    fill = _FILLS[(index or 0) // _SHADES % len(_FILLS)]
    edge = {"markeredgecolor": colour, "markeredgewidth": 1.2} if fill == "none" else {}
    outline = {"markeredgecolor": INK, "markeredgewidth": 0.5}
    return {"markerfacecolor": colour, "markerfacecoloralt": "white", "fillstyle": fill} | outline | edge


def draw_points(axes: Axes, x: pd.DataFrame, y: pd.DataFrame, styles: Mapping[str, dict[str, Any]]) -> None:
    """Draw a point for each model. Models without a style are small dots.

    Args:
        axes: axes whose limits are already set.
        x, y: value, low and high by model (:meth:`molmix.report.plots.results.Results.figures`).
        styles: from :func:`point_styles`, by model.
    """
    whole = x["value"].notna() & y["value"].notna()
    rest = whole & ~whole.index.isin(list(styles))
    axes.plot(x["value"][rest], y["value"][rest], ".", color=PALE, markersize=2, zorder=1, gid="others")
    for model in [model for model in styles if whole[model]]:
        across, up = x.loc[model], y.loc[model]
        axes.plot([across["low"], across["high"]], [up["value"]] * 2, color=PALE, linewidth=0.5, zorder=2)
        axes.plot([across["value"]] * 2, [up["low"], up["high"]], color=PALE, linewidth=0.5, zorder=2)
        axes.plot(across["value"], up["value"], zorder=4, label=model, **styles[model])


def number_points(axes: Axes, styles: Mapping[str, dict[str, Any]], numbers: Mapping[str, int]) -> None:
    """Write the number of each point next to it, with a line if it is far away. The layout must be final.

    A point gets no number if no free position is near.
    """
    to_points = 72 / axes.figure.dpi
    lines = {str(line.get_label()): line for line in axes.lines if line.get_label() in styles}
    data = {model: np.array(line.get_data(), dtype=float).ravel() for model, line in lines.items()}
    if not data:
        return
    points = axes.transData.transform(np.stack(list(data.values()))) * to_points
    dots = next(line for line in axes.lines if line.get_gid() == "others")
    others = axes.transData.transform(np.array(dots.get_data(), dtype=float).T) * to_points
    sizes = np.array([[_DIGIT * len(str(numbers[model])), _HEIGHT] for model in data])
    box = axes.get_window_extent()
    bounds = np.array([[box.x0, box.y0], [box.x1, box.y1]]) * to_points
    positions = label_positions(points, sizes, bounds, radius=SIZE / 2, others=others[:_DOTS])
    line = {
        "arrowstyle": "-",
        "linewidth": 0.3,
        "color": INK,
        "patchA": None,
        "shrinkA": 3.5,
        "shrinkB": SIZE / 2,
        "relpos": (0.5, 0.5),
    }
    for (model, (x, y)), point, middle in zip(data.items(), points, positions, strict=True):
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


def key_shape(names: Sequence[str]) -> tuple[int, int]:
    """Number of columns and rows of a key as wide as the page."""
    longest = max((len(short(name)) for name in names), default=1) + 3
    columns = max(1, int(PAGE / (0.06 * longest + 0.3)))
    return columns, -(-len(names) // columns)


def draw_key(figure: SubFigure, styles: Mapping[str, dict[str, Any]], numbers: Mapping[str, int], note: str) -> None:
    """List the number, the marker and the name of each model."""
    from matplotlib.lines import Line2D

    columns, _ = key_shape(list(styles))
    handles = [Line2D([], [], **look) for look in styles.values()]
    figure.legend(
        handles,
        [f"{numbers[model]} {short(model)}" for model in styles],
        loc="center",
        ncols=columns,
        title=note or None,
        title_fontsize=7,
        handletextpad=0.2,
        columnspacing=1.0,
        labelspacing=0.3,
    )


def label_positions(
    points: np.ndarray, sizes: np.ndarray, bounds: np.ndarray, *, radius: float, others: np.ndarray
) -> np.ndarray:
    """Positions of labels near their points, so that no label covers another label or a point.

    The points with the most neighbours come first. Each gets the nearest free position.

    Args:
        points: array (n, 2). All lengths are in typographic points.
        sizes: array (n, 2): width and height of each label.
        bounds: array (2, 2): lower left and upper right corner of the area for labels.
        radius: half the size of a point's marker.
        others: array (m, 2): further markers to avoid.

    Returns:
        Array (n, 2): centres of the labels; NaN if no free position is near.
    """
    if not len(points):
        return np.empty((0, 2))
    markers = np.concatenate([points, others]) if len(others) else points
    found = np.full((len(points), 2), np.nan)
    offsets = np.concatenate([ring * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1) for ring in _RINGS])
    apart = np.linalg.norm(points[:, None] - markers[None], axis=-1)
    for index in np.argsort(-(apart < _RINGS[4]).sum(axis=1), kind="stable"):
        middles = points[index] + offsets
        half = sizes[index] / 2
        inside = ((middles - half >= bounds[0]) & (middles + half <= bounds[1])).all(axis=1)
        middles = middles[inside]
        clear = ~_overlap(middles, half, markers, np.full((len(markers), 2), radius)).any(axis=1)
        done = ~np.isnan(found[:, 0])
        clear &= ~_overlap(middles, half, found[done], sizes[done] / 2).any(axis=1)
        # The line from a label to its point must not cross another label.
        for step in (0.35, 0.55, 0.75):
            between = points[index] + step * (middles - points[index])
            clear &= ~_overlap(between, np.zeros(2), found[done], sizes[done] / 2).any(axis=1)
        if clear.any():
            found[index] = middles[np.argmax(clear)]
    return found


def _overlap(middles: np.ndarray, half: np.ndarray, others: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Whether boxes overlap: array (middles, others)."""
    gaps = np.abs(middles[:, None] - others[None]) - half - halves[None]
    return (gaps < _GAP).all(axis=-1)
