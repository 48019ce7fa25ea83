"""Merge matrix: the value of each merge of two models, and on the diagonal the values of the models.

Merges of three models or more have a row for each set of models instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from molmix.analysis.comparison.compare import sides
from molmix.analysis.tables import figure as format_value
from molmix.analysis.tables import titled
from molmix.metrics import Metric
from molmix.report.plots.results import Results
from molmix.report.plots.style import INK, PAGE, TALLEST, message_figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS, _LARGEST = 4, 12  # maximum numbers of merge methods, and of models on each side of a matrix
_METRICS = 3  # maximum number for each group of models
_CELL, _NAMES = 0.22, 1.1  # inches: height of a cell, width of the names
_ROOMY = 6  # maximum number of models on each side for which values fit into the cells
_PALE = 0.45  # text is black above this share of the colour scale, else white
_SIGNS = {"better": "▲", "worse": "▼"}  # significantly better or worse than all parents


@dataclass(frozen=True)
class Matrix:
    """The values of one merge method in one block.

    Attributes:
        cells: array (parents, parents): merges above the diagonal, the parents on it; NaN elsewhere. Of merges of three
            models or more: array (sets, 1).
        signs: text after the value in each cell.
    """

    cells: np.ndarray
    signs: np.ndarray


@dataclass(frozen=True)
class Block:
    """The merges of one group of models (one starting model, seed and kind), by one metric.

    Attributes:
        rows: of merges.csv, with a column `parents` (tuples of ids): merges of two models, or of three and more.
        metric: the metric.
    """

    rows: pd.DataFrame
    metric: Metric

    @property
    def of_pairs(self) -> bool:
        """Whether these are merges of two models."""
        return len(self.rows["parents"].iloc[0]) == 2

    @property
    def parents(self) -> list[str]:
        """The models on each side, in the order of the model table; at most :data:`_LARGEST`."""
        return list(dict.fromkeys([*self.rows["first"], *self.rows["second"]]))[:_LARGEST]

    @property
    def sets(self) -> list[tuple[str, ...]]:
        """The sets of parents; at most :data:`_LARGEST`."""
        return list(dict.fromkeys(self.rows["parents"]))[:_LARGEST]

    @property
    def across(self) -> int:
        """Number of columns of a matrix."""
        return len(self.parents) if self.of_pairs else 1

    @property
    def height(self) -> float:
        """Height in inches, with title and labels."""
        if not self.of_pairs:
            return _CELL * len(self.sets) + 0.45
        return _CELL * len(self.parents) + (0.45 if len(self.parents) <= _ROOMY else 1.1)  # vertical names

    def labels(self) -> tuple[list[str], list[str]]:
        """Names of rows and columns."""
        above = f"{self.rows['start'].iloc[0]}."
        if not self.of_pairs:
            return [short(" + ".join(one.removeprefix(above) for one in own), 30) for own in self.sets], [""]
        return (
            [short(parent, 24) for parent in self.parents],
            [short(parent.removeprefix(above), 12) for parent in self.parents],
        )

    def matrix(self, method: str) -> Matrix:
        """The values of one merge method."""
        rows = self.rows[self.rows["merge"] == method]
        return matrix(rows, self.parents) if self.of_pairs else set_matrix(rows, self.sets)


def merges(results: Results, test: str) -> Figure:
    """A matrix for each group of models and metric (rows) and each merge method (columns)."""
    from matplotlib.figure import Figure

    found = blocks(results, test)
    if not found:
        return message_figure(f"{test}: no merge has a value")
    every = list(dict.fromkeys(method for block in found for method in block.rows["merge"]))
    methods = every[:_ACROSS]
    heights = [block.height for block in found]
    shown = found[: max(1, int((np.cumsum(heights) < TALLEST - 0.5).sum()))]
    width = _NAMES + (PAGE - _NAMES) * len(methods) / max(3, len(methods))
    figure = Figure(figsize=(width, sum(heights[: len(shown)]) + 0.35), layout="constrained")
    grid = figure.subplots(len(shown), len(methods), squeeze=False, height_ratios=heights[: len(shown)])
    roomy = [block.across for block in shown if block.across <= _ROOMY]
    for line, block in zip(grid, shown, strict=True):
        columns = max(roomy) if block.across <= _ROOMY else block.across  # cells with values have one width
        drawn = [block.matrix(method) for method in methods]
        limits = _limits(np.stack([each.cells for each in drawn]))
        for column, (axes, method, each) in enumerate(zip(line, methods, drawn, strict=True)):
            _draw_matrix(axes, each, limits, block, first=column == 0)
            axes.set_xlim(-0.5, columns - 0.5)
            title = f"{titled(block.metric)}, {method}" if column == 0 else method
            axes.set_title(title, loc="left")
    pairs = "each cell is the merge of its row and column; the diagonal shows the models themselves"
    sets = "each row is the merge of its models"
    of_pairs = [block.of_pairs for block in shown]
    note = [f"{test}: {pairs if any(of_pairs) else sets}"]
    note += [f"{len(shown)} of {len(found)} rows are shown"] * (len(shown) < len(found))
    note += [f"{len(methods)} of {len(every)} merge methods are shown"] * (len(methods) < len(every))
    last = "▲ significantly better, ▼ significantly worse than "
    last += "both" if all(of_pairs) else "all of its models"
    last += f"; in the last matrices {sets}" if len({*of_pairs}) > 1 else ""
    figure.supxlabel("; ".join(note) + f".\n{last}")
    return figure


def blocks(results: Results, test: str) -> list[Block]:
    """All blocks of a test set, the largest groups first."""
    table = results.merges[results.merges["test"] == test]
    if table.empty:
        return []
    table = table.assign(parents=table["model"].map(lambda model: tuple(results.models[model]["parents"])))
    kinds = [
        results.models[next(name for name in reversed(parents) if name != start)]["kind"]
        for parents, start in zip(table["parents"], table["start"], strict=True)
    ]
    of_pairs = table["parents"].map(len) == 2
    groups = [group for _, group in table.groupby([~of_pairs, table["start"], table["seed"], kinds], sort=False)]
    groups.sort(key=lambda group: (len(group["parents"].iloc[0]) > 2, -group["first"].nunique()))
    headlines = results.headlines([test])
    return [
        Block(group[group["metric"] == metric.column], metric)
        for group in groups
        for metric in [metric for metric in headlines if metric.column in set(group["metric"])][:_METRICS]
    ]


def matrix(rows: pd.DataFrame, parents: list[str]) -> Matrix:
    """The matrix of one merge method, from its rows of merges.csv for one metric, test set and group."""
    cells = np.full((len(parents), len(parents)), np.nan)
    signs = np.full(cells.shape, "", dtype=object)
    for row in rows.to_dict("records"):
        if row["first"] not in parents or row["second"] not in parents:
            continue
        first, second = (parents.index(row[side]) for side in ("first", "second"))
        cells[first, first], cells[second, second] = row["first_value"], row["second_value"]
        above = min(first, second), max(first, second)
        cells[above] = row["value"]
        if row["first_verdict"] == row["second_verdict"]:
            signs[above] = _SIGNS.get(row["first_verdict"], "")
    return Matrix(cells, signs)


def set_matrix(rows: pd.DataFrame, sets: list[tuple[str, ...]]) -> Matrix:
    """The values of one merge method for sets of three models or more, from its rows of merges.csv."""
    cells = np.full((len(sets), 1), np.nan)
    signs = np.full(cells.shape, "", dtype=object)
    for row in rows.to_dict("records"):
        if row["parents"] in sets:
            index = sets.index(row["parents"]), 0
            cells[index] = row["value"]
            verdicts = {row[f"{side}_verdict"] for side in sides(len(row["parents"]))}
            signs[index] = _SIGNS.get(verdicts.pop(), "") if len(verdicts) == 1 else ""
    return Matrix(cells, signs)


def _limits(cells: np.ndarray) -> tuple[float, float]:
    held = cells[~np.isnan(cells)]
    return (float(held.min()), float(held.max())) if len(held) else (0.0, 1.0)


def _draw_matrix(axes: Axes, found: Matrix, limits: tuple[float, float], block: Block, *, first: bool) -> None:
    from matplotlib.patches import Rectangle

    low, high = limits
    axes.imshow(found.cells, vmin=low, vmax=high, cmap="cividis", aspect="auto")
    left, names = block.labels()
    roomy = len(names) <= _ROOMY
    for (row, column), value in np.ndenumerate(found.cells):
        sign = found.signs[row, column]
        text = (format_value(value) if roomy else "") + str(sign)
        if text and not np.isnan(value):
            dark = (value - low) / ((high - low) or 1) > _PALE
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color="black" if dark else "white")
    for index in range(len(names) if block.of_pairs else 0):
        axes.add_patch(Rectangle((index - 0.5, index - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=0.8))
    axes.set_xticks(range(len(names)), names, rotation=0 if roomy else 90)
    axes.set_yticks(range(len(left)), left if first else [""] * len(left))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
