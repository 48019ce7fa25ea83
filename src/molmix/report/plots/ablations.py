"""An ablation: bars of differences from the baseline, or a curve where the arms are numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from molmix.analysis.tables import titled
from molmix.metrics import Options
from molmix.metrics.aggregate import all_metrics
from molmix.report.plots.bars import ROOM, bars
from molmix.report.plots.results import read_csv
from molmix.report.plots.style import INK, PAGE, PALE, TALLEST, save, short, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 4  # metrics; the table holds the others
WIDE = 20  # from this ratio of the largest number to the smallest on, the axis is logarithmic


def draw(csv: Path, *, title: str, factor: str, options: dict[str, Any], svg: Path, png: Path) -> None:
    """Draw a panel for each test set (down) and metric (across).

    Args:
        csv: table of :func:`molmix.analysis.comparison.ablations.compare_arms`.
        title, factor: of the ablation.
        options: as in :class:`molmix.metrics.Options`.
        svg, png: files to write.
    """
    from matplotlib.figure import Figure

    table = read_csv(csv)
    tests, arms = list(table["test"].unique()), list(table["arm"].unique())
    held = set(table["metric"])
    shown = [m for m in all_metrics(Options(**options)) if m.headline and m.column in held][:ACROSS]
    numbers = _numbers(arms)
    panel = 1.35 if numbers is not None else ROOM * len(arms) + 0.5  # inches
    with style():
        height = min(TALLEST, panel * len(tests) + 0.75)
        figure = Figure(figsize=(PAGE, height), layout="constrained")
        # Bars share the names of arms at the left.
        across: Literal["none", "all"] = "none" if numbers is not None else "all"
        grid = figure.subplots(len(tests), len(shown), squeeze=False, sharey=across)
        for row, test in enumerate(tests):
            for axes, metric in zip(grid[row], shown, strict=True):
                part = table[(table["test"] == test) & (table["metric"] == metric.column)]
                own = part.set_index("arm").reindex(arms).fillna({"verdict": ""})
                if numbers is None:
                    _differences(axes, own)
                else:
                    _curve(axes, own, numbers)
                if row == 0:
                    axes.set_title(titled(metric))
            grid[row][0].set_ylabel(test)
        if numbers is None:
            figure.supxlabel("difference from the baseline (dark, *: beyond chance)", fontsize="medium")
        else:
            figure.supxlabel(f"{factor} (dashed: baseline; filled: differs from it beyond chance)", fontsize="medium")
        figure.suptitle(title, fontsize="medium", weight="bold")
        save(figure, svg, png)


def _numbers(arms: list[str]) -> np.ndarray | None:
    """The arms as numbers: array (arms,); None where one is none."""
    try:
        return np.array([float(arm) for arm in arms])
    except ValueError:
        return None


def _differences(axes: Axes, own: pd.DataFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    marks = ["*" if verdict else "" for verdict in own["verdict"]]
    value, low, high = (own[name].tolist() for name in ("difference", "difference_low", "difference_high"))
    # The baseline is compared with nothing: it is the axis.
    bars(axes, [short(arm) for arm in own.index], value, low, high, marks)
    axes.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))


def _curve(axes: Axes, own: pd.DataFrame, numbers: np.ndarray) -> None:
    """Figures with their intervals by the number that their arm is."""
    order = np.argsort(numbers)
    own, x = own.iloc[order], numbers[order]
    value, low, high = (own[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    beyond = (own["verdict"] != "").to_numpy()
    baseline = own["difference"].isna().to_numpy()
    for level in value[baseline]:
        axes.axhline(level, color=PALE, linestyle="--", linewidth=0.8, zorder=0)
    axes.errorbar(x, value, yerr=[value - low, high - value], color=INK, elinewidth=0.6, capsize=1.5)
    axes.plot(x, value, "o", color=INK, markerfacecolor="white")
    axes.plot(x[beyond], value[beyond], "o", color=INK)
    axes.plot(x[baseline], value[baseline], "s", color=INK, markerfacecolor=PALE)
    if x[0] > 0 and x[-1] / x[0] > WIDE:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(x, [f"{number:g}" for number in x])
    axes.margins(0.08)
