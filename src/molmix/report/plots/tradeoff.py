"""Atomic precision against atomic recall: each model as a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from molmix.report.plots.points import (
    MOST,
    STYLE_NOTE,
    draw_key,
    draw_points,
    key_shape,
    number_points,
    point_styles,
)
from molmix.report.plots.results import Results, axis_limits, best_models, omitted_note
from molmix.report.plots.style import PAGE, PALE, message_figure, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS, _ACROSS = 6, 2  # maximum numbers of test sets on a page, and in a row
_HEIGHT, _ROW = 3.1, 0.135  # inches: height of a panel, and of a row of the key


def tradeoff(results: Results, tests: Sequence[str]) -> Figure:
    """One panel for each test set. A dotted line connects each starting model with the models aligned from it."""
    from matplotlib.figure import Figure

    shown = list(tests)[:_PANELS]
    if not shown:
        return message_figure("no test set has captions to judge")
    models = best_models(results.figures(shown[0], "atomic_f1")["value"], MOST)
    styles = point_styles(results.models, models)
    numbers = {model: index for index, model in enumerate(models, start=1)}
    notes = [STYLE_NOTE] if any(row["start"] for row in results.models.values()) else []
    notes += [omitted_note(models, list(results.models), f"the highest atomic F1 on {shown[0]}; the others are dots")]
    notes += [f"{len(shown)} of {len(tests)} test sets"] * (len(shown) < len(tests))
    note = "; ".join(filter(None, notes))

    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    heights = [down * _HEIGHT, _ROW * key_shape(models)[1] + (0.3 if note else 0.15)]
    figure = Figure(figsize=(PAGE, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    top, bottom = parts
    grid: list[Axes] = top.subplots(down, across, squeeze=False).ravel().tolist()
    for axes, test in zip(grid, shown, strict=False):
        _draw_panel(axes, results, test, styles)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    for axes in grid[::across]:
        axes.set_ylabel("atomic precision (up is better)")
    draw_key(bottom, styles, numbers, note)
    settle(figure)  # the numbers need the final positions of the points
    for axes in grid[: len(shown)]:
        number_points(axes, styles, numbers)
    return figure


def _draw_panel(axes: Axes, results: Results, test: str, styles: Mapping[str, dict[str, Any]]) -> None:
    across, up = results.figures(test, "atomic_recall"), results.figures(test, "atomic_precision")
    axes.set_xlim(*axis_limits([across]))
    axes.set_ylim(*axis_limits([up]))
    for model in styles:
        row = results.models[model]
        if row["kind"] == "aligned" and row["start"] in styles:
            ends = [row["start"], model]
            axes.plot(across["value"][ends], up["value"][ends], color=PALE, linewidth=0.7, linestyle=":", zorder=3)
    draw_points(axes, across, up, styles)
    axes.set_title(test, loc="left")
    axes.set_xlabel("atomic recall (right is better)")
