"""Figure of the judge validation: which planted errors each score detects, and how scores change with their number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from molmix.analysis.judge_validation.perturbations import CONTROL, HARMFUL
from molmix.analysis.tables import figure as table_figure
from molmix.report.plots.style import message_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {"reference": "edited references", "system": "edited captions of systems"}
_PALE = 0.45  # text is black above this value of the colour scale, else white
_STRONGEST = 2.0  # change, in standard deviations, of the strongest colour
# Inches: a cell, a letter of a score's name, and what a panel needs above and below its cells.
_WIDE, _HIGH, _LETTER, _AROUND = 0.36, 0.17, 0.062, 0.95


def draw_judges(measured: pd.DataFrame, *, svg: Path, png: Path) -> None:
    """Draw two heat maps of every score for each sort of edited captions.

    Above: AUROC within pairs by score and edit. Below: the mean change for the worse by score, edit and dose, in
    standard deviations of the score over all captions. If no caption could be edited, the figure says so.

    Args:
        measured: table of :func:`molmix.analysis.judge_validation.sensitivity.measure_sensitivity`, with ``author``
            (a key of :data:`TITLES`).
        svg: file to write; equal figures make equal bytes.
        png: file to write.
    """
    from matplotlib.figure import Figure

    measured = measured[measured["kind"] != CONTROL]
    parts = {author: rows for author in TITLES if len(rows := measured[measured["author"] == author])}
    if not parts:
        with style():
            save(message_figure("no caption could be edited, so nothing was measured"), svg, png)
        return
    scores = list(measured["column"].unique())
    edits = {author: list(rows["edit"].unique()) for author, rows in parts.items()}
    cells = [max(4, len(own)) for own in edits.values()]
    name = max(map(len, scores)) * _LETTER
    height = len(scores) * _HIGH + _AROUND
    with style():
        figure = Figure(figsize=(name + _WIDE * sum(cells) + 0.9, 2 * height), layout="constrained")
        axes: Any = figure.subplots(2, len(parts), sharey=True, squeeze=False, width_ratios=cells)
        for column, (author, rows) in enumerate(parts.items()):
            seen = _draw_auroc(axes[0, column], rows, scores, edits[author])
            changes = _draw_changes(axes[1, column], rows, scores, edits[author])
            axes[0, column].set_title(f"{TITLES[author]}\nAUROC within pairs", loc="left")
            axes[1, column].set_title("mean change for the worse (SD), by number of edits", loc="left")
        figure.colorbar(seen, ax=axes[0, :], pad=0.01, aspect=20, ticks=[0, 0.5, 1])
        figure.colorbar(changes, ax=axes[1, :], pad=0.01, aspect=20)
        save(figure, svg, png)


def _draw_auroc(axis: Axes, rows: pd.DataFrame, scores: list[str], edits: list[str]) -> Any:
    pooled = rows[rows["k"].isna()].set_index(["column", "edit"])["paired_auroc"]
    cells = pooled.unstack().reindex(index=scores, columns=edits).to_numpy(dtype=float)
    image = axis.imshow(cells, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        color = "black" if value > _PALE else "white"
        axis.text(column, row, table_figure(value, digits=2), ha="center", va="center", color=color)
    _label(axis, rows, scores, edits, doses=1)
    return image


def _draw_changes(axis: Axes, rows: pd.DataFrame, scores: list[str], edits: list[str]) -> Any:
    """A cell for each score, edit and dose."""
    dosed = rows[rows["k"].notna()]
    doses = sorted(dosed["k"].unique())
    unit = dosed["deviation"].where(dosed["deviation"] > 0, 1.0)  # a constant score has no deviation
    worse = dosed["change"] / unit * dosed["better"].map({"lower": 1.0, "higher": -1.0})
    columns = pd.MultiIndex.from_product([edits, doses], names=["edit", "k"])
    table = dosed.assign(worse=worse).set_index(["column", "edit", "k"])["worse"].unstack(["edit", "k"])
    cells = table.reindex(index=scores, columns=columns).to_numpy(dtype=float)
    image = axis.imshow(cells, vmin=-_STRONGEST, vmax=_STRONGEST, cmap="PuOr", aspect="auto")
    _label(axis, rows, scores, edits, doses=len(doses))
    return image


def _label(axis: Axes, rows: pd.DataFrame, scores: list[str], edits: list[str], *, doses: int) -> None:
    """Names of edits and scores, and a line between harmful and harmless edits."""
    harmful = rows.loc[rows["kind"] == HARMFUL, "edit"].nunique()
    for number in range(1, len(edits)):
        wide = number == harmful
        axis.axvline(number * doses - 0.5, color="white", linewidth=3 if wide else 1 if doses > 1 else 0)
    axis.set_xticks([doses * (number + 0.5) - 0.5 for number in range(len(edits))], edits, rotation=40, ha="right")
    axis.set_yticks(range(len(scores)), scores)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
