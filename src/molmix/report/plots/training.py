"""Training curves: the loss of every trained model by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from molmix.report.plots.style import LINES, MARKERS, PAGE, message_figure, shades, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS, _CURVES = 12, 12  # maximum numbers of methods, and of starts
_POINTS = 60  # maximum number on a curve: each point is the mean over several steps, because single losses are noisy


def training(models: Mapping[str, dict[str, Any]], logs: Mapping[str, pd.DataFrame]) -> Figure:
    """A panel for each method, and a line for each start. Markers show the validation loss.

    Args:
        models: rows of the model table by id.
        logs: tables by model, with columns step, loss and, if there was a validation, eval_loss; may contain NaN.
    """
    from matplotlib.figure import Figure

    if not logs:
        return message_figure("no model was trained")
    groups: dict[str, list[str]] = {}
    for model in logs:
        row = models[model]
        groups.setdefault(row["method"] if row["kind"] == "aligned" else "initial models", []).append(model)
    shown = dict(list(groups.items())[:_PANELS])
    starts = list(dict.fromkeys(_start(models, model) for own in shown.values() for model in own))[:_CURVES]
    dropped = len(logs) - sum(_start(models, model) in starts for own in shown.values() for model in own)
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    columns = max(1, int(PAGE / (0.06 * max(len(short(start)) for start in starts) + 0.6)))
    heights = [max(2.4, 1.75 * down), 0.18 * -(-len(starts) // columns) + 0.35]
    figure = Figure(figsize=(PAGE, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    top, bottom = parts
    grid = np.atleast_1d(top.subplots(down, across)).ravel()
    colours = shades(len(starts))
    styles = {
        start: {
            "color": colours[index],
            "linestyle": LINES[index % len(LINES)],
            "marker": MARKERS[index % len(MARKERS)],
        }
        for index, start in enumerate(starts)
    }
    for axes, (method, own) in zip(grid, shown.items(), strict=False):
        for model in own:
            if _start(models, model) in styles:
                _draw_curve(axes, logs[model], styles[_start(models, model)], model)
        axes.set_title(method, loc="left")
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    top.supxlabel("step")
    top.supylabel("loss (line: training; marker: validation)")
    _draw_key(bottom, styles, columns, f"{dropped} of {len(logs)} trainings are not shown" if dropped else "")
    return figure


def _start(models: Mapping[str, dict[str, Any]], model: str) -> str:
    """Name of a curve: the start of an aligned model, or the initial model itself."""
    return models[model]["start"] if models[model]["kind"] == "aligned" else model


def _draw_curve(axes: Axes, log: pd.DataFrame, look: dict[str, Any], model: str) -> None:
    train = log.dropna(subset=["loss"])
    bins = np.array_split(np.arange(len(train)), min(_POINTS, len(train)) or 1)
    step, loss = (
        [train[name].to_numpy()[part].mean() if len(part) else np.nan for part in bins] for name in ("step", "loss")
    )
    axes.plot(step, loss, color=look["color"], linestyle=look["linestyle"], label=model)
    if "eval_loss" in log:
        held = log.dropna(subset=["eval_loss"])
        outline: dict[str, Any] = {"markersize": 4, "markeredgecolor": "white", "markeredgewidth": 0.4}
        axes.plot(
            held["step"], held["eval_loss"], color=look["color"], marker=look["marker"], linestyle="none", **outline
        )


def _draw_key(figure: Any, styles: dict[str, dict[str, Any]], columns: int, note: str) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], markersize=4, **look) for look in styles.values()]
    title = f"started from, or the initial model itself{'; ' + note if note else ''}"
    labels = [short(start) for start in styles]
    figure.legend(handles, labels, loc="center", ncols=columns, title=title, title_fontsize=7, handlelength=3.5)
