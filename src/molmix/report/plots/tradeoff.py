"""Hallucination against coverage: who says more that is right, and who says more that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from molmix.report.plots.points import MOST, key, key_rows, looks, number, scatter
from molmix.report.plots.results import Results, foremost, reach, told
from molmix.report.plots.style import PAGE, PALE, settle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS, _ACROSS = 6, 2  # test sets that a page has room for, and in a row
_HEIGHT, _ROW = 3.1, 0.135  # inches: of a panel, of a row of the key


def tradeoff(results: Results, tests: Sequence[str]) -> Figure:
    """A panel a test set: a point a model, with its intervals; a line from each start to what was aligned from it."""
    from matplotlib.figure import Figure

    shown = list(tests)[:_PANELS]
    coverage = results.figures(shown[0], "coverage")["value"]
    models = foremost(coverage, MOST)
    drawn = looks(results.models, models)
    numbers = {model: place for place, model in enumerate(models, start=1)}
    notes = [told(models, list(results.models), f"the highest coverage on {shown[0]}; the others are dots")]
    notes += [f"{len(shown)} of {len(tests)} test sets"] * (len(shown) < len(tests))
    note = "; ".join(filter(None, notes))

    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    heights = [down * _HEIGHT, _ROW * key_rows(models)[1] + (0.3 if note else 0.15)]
    figure = Figure(figsize=(PAGE, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    top, bottom = parts
    grid: list[Axes] = top.subplots(down, across, squeeze=False).ravel().tolist()
    for axes, test in zip(grid, shown, strict=False):
        _panel(axes, results, test, drawn)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    for axes in grid[::across]:
        axes.set_ylabel("hallucination (down is better)")
    key(bottom, drawn, numbers, note)
    settle(figure)  # numbers are put where points are now
    for axes in grid[: len(shown)]:
        number(axes, drawn, numbers)
    return figure


def _panel(axes: Axes, results: Results, test: str, drawn: Mapping[str, dict[str, Any]]) -> None:
    across, up = results.figures(test, "coverage"), results.figures(test, "hallucination")
    axes.set_xlim(*reach([across]))
    axes.set_ylim(*reach([up]))
    for model in drawn:
        row = results.models[model]
        if row["kind"] == "aligned" and row["start"] in drawn:
            ends = [row["start"], model]
            axes.plot(across["value"][ends], up["value"][ends], color=PALE, linewidth=0.7, linestyle=":", zorder=3)
    scatter(axes, across, up, drawn)
    axes.set_title(test, loc="left")
    axes.set_xlabel("coverage (right is better)")
