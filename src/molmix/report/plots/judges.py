"""Figure of the judge validation: which planted errors each score detects, and how scores change with their number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from molmix.analysis.judge_validation.perturbations import CONTROL, HARMFUL, HARMLESS
from molmix.analysis.tables import figure as table_figure
from molmix.report.plots.style import LINES, MARKERS, message_figure, save, shades, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PALE = 0.45  # text is black above this value of the colour scale, else white
_ACROSS = 3  # panels of doses in a row


def draw_judges(measured: pd.DataFrame, *, svg: Path, png: Path) -> None:
    """Draw a heat map of AUROC by score and edit, and below it the mean change of each score by dose.

    Changes are in standard deviations of the score over all captions; up is worse. If no reference could be edited,
    the figure says so.

    Args:
        measured: table of :func:`molmix.analysis.judge_validation.sensitivity.measure_sensitivity`.
        svg: file to write; equal figures make equal bytes.
        png: file to write.
    """
    from matplotlib.figure import Figure

    measured = measured[measured["kind"] != CONTROL]
    edits, columns = list(measured["edit"].unique()), list(measured["column"].unique())
    if not edits or not columns:
        with style():
            save(message_figure("no reference could be edited, so nothing was measured"), svg, png)
        return
    down = -(-len(edits) // _ACROSS)
    name = max(map(len, columns)) * 0.068  # all sizes are in inches
    width = max(7.0, name + 0.62 * len(edits) + 1.6)
    across = max(1, int(width / (name + 0.7)))  # names in a row of the legend
    heat, panels, legend = 0.9 + 0.27 * len(columns), 1.8 * down + 0.4, 0.25 + 0.2 * -(-len(columns) // across)
    with style():
        figure = Figure(figsize=(width, heat + panels + legend), layout="constrained")
        parts: Any = figure.subfigures(3, 1, height_ratios=[heat, panels, legend])
        top, middle, bottom = parts
        _draw_heat_map(top.subplots(), measured, columns, edits)
        axes = np.atleast_2d(middle.subplots(down, _ACROSS, sharex=True, sharey=True)).ravel()
        for axis, edit in zip(axes, edits, strict=False):
            _draw_doses(axis, measured[measured["edit"] == edit], columns)
        axes[0].set_xticks(sorted({0, *measured["k"].dropna().astype(int)}))
        for axis in axes[len(edits) :]:
            axis.set_visible(False)
        for axis in axes[max(0, len(edits) - _ACROSS) : len(edits)]:  # the lowest visible panel of each column
            axis.tick_params(labelbottom=True)
        middle.supxlabel("edits in the caption")
        middle.supylabel("mean change for the worse (SD)")
        handles, labels = axes[0].get_legend_handles_labels()
        bottom.legend(handles, labels, loc="center", ncols=across, frameon=False, handlelength=3.5)
        save(figure, svg, png)


def _draw_heat_map(axis: Axes, measured: pd.DataFrame, columns: list[str], edits: list[str]) -> None:
    pooled = measured[measured["k"].isna()].set_index(["column", "edit"])["auroc"]
    cells = pooled.unstack().reindex(index=columns, columns=edits).to_numpy(dtype=float)
    image = axis.imshow(cells, vmin=0, vmax=1, cmap="cividis", aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        color = "black" if value > _PALE else "white"
        axis.text(column, row, table_figure(value, digits=2), ha="center", va="center", color=color)
    harmful = measured.loc[measured["kind"] == HARMFUL, "edit"].nunique()
    if 0 < harmful < len(edits):
        axis.axvline(harmful - 0.5, color="white", linewidth=3)
    axis.set_xticks(range(len(edits)), edits)
    axis.set_yticks(range(len(columns)), columns)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(f"AUROC against the reference ({HARMFUL}, then {HARMLESS} edits)", loc="left")
    axis.figure.colorbar(image, ax=axis, pad=0.01, aspect=12, ticks=[0, 0.5, 1])


def _draw_doses(axis: Axes, rows: pd.DataFrame, columns: list[str]) -> None:
    """One edit: a line for each score, starting at 0 edits. The lines are shifted so that none hides another."""
    colours = shades(len(columns))
    for number, column in enumerate(columns):
        own = rows[(rows["column"] == column) & rows["k"].notna()].sort_values("k")
        unit = own["deviation"].to_numpy(dtype=float)
        unit = np.where(unit > 0, unit, 1.0)  # a constant score has no deviation
        sign = np.where(own["better"] == "lower", 1.0, -1.0)
        k = np.concatenate([[0], own["k"].to_numpy(dtype=float)])
        change, low, high = (
            np.concatenate([[0], sign * own[name].to_numpy(dtype=float) / unit])
            for name in ("change", "change_low", "change_high")
        )
        axis.errorbar(
            k + 0.3 * ((number + 0.5) / len(columns) - 0.5),
            change,
            yerr=np.abs(np.stack([change - low, high - change])),
            label=column,
            color=colours[number],
            marker=MARKERS[number % len(MARKERS)],
            linestyle=LINES[number % len(LINES)],
            markersize=4,
            linewidth=1,
            elinewidth=0.6,
        )
    axis.axhline(0, color="0.7", linewidth=0.6, zorder=0)
    axis.set_title(rows["edit"].iloc[0], pad=3)
