"""What changes while a policy learns from rewards, or from preference pairs, by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from molmix.report.plots.style import LINES, MARKERS, PAGE, message_figure, shades, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MODELS, _EVALUATED, _ACROSS = 8, 9, 4  # maximum numbers of curves and of evaluated metrics; panels in a row
_POINTS = 30  # maximum number on a curve without markers: each point is the mean over several steps
# Columns of the captions that are sampled for a step, and their titles.
SAMPLED = {
    "reward": "reward",
    "completions/mean_length": "length [tokens]",
    "distinct": "distinct captions",
    "entropy": "entropy of a token [nats]",
    "kl": "KL from the start [nats]",
}
# Columns of the pairs of a step, and their titles. A log-probability is the sum over the tokens of a text.
PAIRS = {
    "logps/chosen": "log p of chosen [nats]",
    "logps/rejected": "log p of rejected [nats]",
    "rewards/margins": "margin of the pair",
    "rewards/accuracies": "pairs with a margin > 0",
}


def rewards(logs: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> Figure:
    """A panel for each quantity, and a line for each model.

    Args:
        logs: logs of the trainings that learn from rewards, by model: the column step, columns of :data:`SAMPLED`, and
            ``eval_<metric>``; may contain NaN.
        titles: titles of metrics by column.
    """
    return _curves(logs, titles, SAMPLED, "captions sampled for the step", "no model learned from rewards")


def preferences(logs: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> Figure:
    """A panel for each quantity, and a line for each model.

    Args:
        logs: logs of the trainings that learn from pairs or write captions, by model: the column step, columns of
            :data:`PAIRS`, and ``eval_<metric>``; may contain NaN.
        titles: titles of metrics by column.
    """
    return _curves(logs, titles, PAIRS, "pairs of the step", "no model learned from pairs")


def _curves(
    logs: Mapping[str, pd.DataFrame],
    titles: Mapping[str, str],
    quantities: Mapping[str, str],
    source: str,
    nothing: str,
) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    if not logs:
        return message_figure(nothing)
    shown = dict(list(logs.items())[:_MODELS])
    logged = {str(column) for log in shown.values() for column in log}
    evaluated = [f"eval_{metric}" for metric in titles if f"eval_{metric}" in logged][:_EVALUATED]
    panels = [*(column for column in quantities if column in logged), *evaluated]
    down = -(-len(panels) // _ACROSS)
    figure = Figure(figsize=(PAGE, 1.45 * down + 0.5 + 0.1 * len(shown)), layout="constrained")
    grid = np.atleast_1d(figure.subplots(down, _ACROSS, sharex=True)).ravel()
    colours = shades(len(shown))
    looks: list[dict[str, Any]] = [
        {
            "color": colours[index],
            "linestyle": LINES[index % len(LINES)],
            "marker": MARKERS[index % len(MARKERS)],
            "markersize": 3,
        }
        for index in range(len(shown))
    ]
    for axes, column in zip(grid, panels, strict=False):
        for log, look in zip(shown.values(), looks, strict=True):
            if column in log:
                _draw_curve(axes, log, column, look, sampled=column in quantities)
        axes.set_title(quantities.get(column) or titles[column[5:]], loc="left")
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[: len(panels)][-_ACROSS:]:
        axes.set_xlabel("step")
    dropped = f"; {len(logs) - len(shown)} models are not shown" if len(shown) < len(logs) else ""
    handles = [Line2D([], [], **look) for look in looks]
    title = f"markers: greedy captions of molecules of validation; lines alone: {source}{dropped}"
    labels = [short(model, 40) for model in shown]
    figure.legend(handles, labels, loc="outside lower center", ncols=2, title=title, title_fontsize=7)
    return figure


def _draw_curve(axes: Axes, log: pd.DataFrame, column: str, look: dict[str, Any], *, sampled: bool) -> None:
    known = log.dropna(subset=[column])
    if sampled:
        parts = np.array_split(np.arange(len(known)), min(_POINTS, len(known)) or 1)
        step, value = (
            [known[name].to_numpy()[part].mean() if len(part) else np.nan for part in parts]
            for name in ("step", column)
        )
        axes.plot(step, value, color=look["color"], linestyle=look["linestyle"])
    else:
        axes.plot(known["step"], known[column], **look)
