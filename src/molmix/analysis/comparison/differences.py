"""comparisons.md: every comparison's difference, a grid for each test set and sort."""

from __future__ import annotations

import pandas as pd

from molmix.analysis.comparison.layout import Layout
from molmix.analysis.tables import Cell, Grid, figure, titled

STARRED = "the difference"
TITLES = {
    "start": "models less their starting point",
    "parent": "merges less each of their parents",
    "best": "models less the best one of each column",
}


def grids(layout: Layout) -> list[Grid]:
    """Differences with half the widths of their intervals; a star where one is beyond chance."""
    made = []
    for test in layout.tests:
        shown = layout.headlines(test)
        for sort, title in TITLES.items():
            own = layout.comparisons[(layout.comparisons["test"] == test) & (layout.comparisons["sort"] == sort)]
            own = own[own["metric"].isin([metric.column for metric in shown])]
            if own.empty:
                continue
            names = ["model", "other"] if sort != "best" else ["model"]
            cells = {(*(row[name] for name in names), row["metric"]): _cell(row) for _, row in own.iterrows()}
            best = dict(zip(own["metric"], own["other"], strict=True)) if sort == "best" else {}
            labels = list(dict.fromkeys(key[:-1] for key in cells))
            if sort == "best":
                labels = [(model,) for model in layout.models if (model,) in {*labels, *((b,) for b in best.values())}]
            rows = [
                [*map(Cell, label)]
                + [
                    Cell("best")
                    if best.get(metric.column) == label[0]
                    else cells.get((*label, metric.column), Cell("–"))
                    for metric in shown
                ]
                for label in labels
            ]
            header = [*names, *map(titled, shown)]
            made.append(Grid(f"{test}: {title}", header, rows, names=len(names)))
    return made


def _cell(row: pd.Series) -> Cell:
    text = figure(row["difference"], row["difference_low"], row["difference_high"], signed=True)
    return Cell(text, star=bool(row["verdict"]))
