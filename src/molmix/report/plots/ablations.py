"""Figure of an ablation: bars of differences from the baseline, or a curve if the arms are numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from molmix.analysis.tables import titled
from molmix.core.errors import escape_control
from molmix.metrics import Options, all_metrics
from molmix.report.plots.bars import BAR_HEIGHT, draw_bars
from molmix.report.plots.results import read_result_table
from molmix.report.plots.style import INK, PAGE, PALE, TALLEST, message_figure, save, short, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METRICS = 4  # maximum number of metrics; the table has the others
_WIDE = 20  # the axis is logarithmic if the ratio of the largest to the smallest number is greater


def draw_ablation(csv: Path, *, title: str, factor: str, options: dict[str, Any], svg: Path, png: Path) -> None:
    """Draw a panel for each test set (rows) and metric (columns).

    Args:
        csv: table of :func:`molmix.analysis.comparison.ablations.compare_arms`.
        title, factor: title and factor of the ablation from the config.
        options: as in :class:`molmix.metrics.Options`.
        svg, png: files to write.
    """
    from matplotlib.figure import Figure

    table = read_result_table(csv)
    tests, arms = list(table["test"].unique()), list(table["arm"].unique())
    held = set(table["metric"])
    shown = [m for m in all_metrics(Options(**options)) if m.headline and m.column in held][:_METRICS]
    numbers = _as_numbers(arms)
    panel = 1.35 if numbers is not None else BAR_HEIGHT * len(arms) + 0.5  # inches
    with style():
        if not tests or not shown:
            save(message_figure("no arm has a value"), svg, png)
            return
        height = min(TALLEST, panel * len(tests) + 0.75)
        figure = Figure(figsize=(PAGE, height), layout="constrained")
        share: Literal["none", "all"] = "none" if numbers is not None else "all"  # bars share the names at the left
        grid = figure.subplots(len(tests), len(shown), squeeze=False, sharey=share)
        for row, test in enumerate(tests):
            for axes, metric in zip(grid[row], shown, strict=True):
                part = table[(table["test"] == test) & (table["metric"] == metric.column)]
                own = part.set_index("arm").reindex(arms).fillna({"verdict": ""})
                if numbers is None:
                    _draw_differences(axes, own)
                else:
                    _draw_curve(axes, own, numbers)
                if row == 0:
                    axes.set_title(titled(metric))
            grid[row][0].set_ylabel(test)
        if numbers is None:
            figure.supxlabel("difference from the baseline (dark, *: significant)", fontsize="medium")
        else:
            label = f"{escape_control(factor)} (dashed: baseline; filled: significant difference from it)"
            figure.supxlabel(label, fontsize="medium")
        figure.suptitle(escape_control(title), fontsize="medium", weight="bold")
        save(figure, svg, png)


def _as_numbers(arms: list[str]) -> np.ndarray | None:
    """The arms as numbers, array (arms,); None if an arm is not a number."""
    try:
        return np.array([float(arm) for arm in arms])
    except ValueError:
        return None


def _draw_differences(axes: Axes, own: pd.DataFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    stars = ["*" if verdict else "" for verdict in own["verdict"]]
    value, low, high = (own[name].tolist() for name in ("difference", "difference_low", "difference_high"))
    draw_bars(axes, [short(arm) for arm in own.index], value, low, high, stars)
    axes.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))


def _draw_curve(axes: Axes, own: pd.DataFrame, numbers: np.ndarray) -> None:
    """Values with their intervals. x is the number of the arm."""
    order = np.argsort(numbers)
    own, x = own.iloc[order], numbers[order]
    value, low, high = (own[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
    significant = (own["verdict"] != "").to_numpy()
    baseline = own["family"].isna().to_numpy()
    for level in value[baseline]:
        axes.axhline(level, color=PALE, linestyle="--", linewidth=0.8, zorder=0)
    axes.errorbar(x, value, yerr=[value - low, high - value], color=INK, elinewidth=0.6, capsize=1.5)
    axes.plot(x, value, "o", color=INK, markerfacecolor="white")
    axes.plot(x[significant], value[significant], "o", color=INK)
    axes.plot(x[baseline], value[baseline], "s", color=INK, markerfacecolor=PALE)
    if x[0] > 0 and x[-1] / x[0] > _WIDE:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(x, [f"{number:g}" for number in x])
    axes.margins(0.08)
