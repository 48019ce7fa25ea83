"""Alignment × start: what each method makes of each starting point."""

from __future__ import annotations

import pandas as pd

from molmix.analysis.comparison.layout import Layout
from molmix.analysis.tables import Cell, Grid, titled

STARRED = "the difference from the starting point, for better or worse,"


def frame(layout: Layout) -> pd.DataFrame:
    """A row a (test set, metric, aligned model): its figure, its start's, and their comparison."""
    own = layout.comparisons[layout.comparisons["sort"] == "start"]
    aligned = own["model"].map(lambda model: layout.models[model]["kind"] == "aligned").astype(bool)
    own = own[aligned].drop(columns="sort").rename(columns={"other": "start"}).rename(columns=_as_start)
    for place, key in enumerate(("method", "seed")):
        own.insert(4 + place, key, [layout.models[model][key] for model in own["model"]])
    return own


def _as_start(column: str) -> str:
    return column.replace("other_", "start_")


def grids(layout: Layout) -> list[Grid]:
    """For each test set, rows of a metric and a start, columns of methods."""
    aligned = {name: row for name, row in layout.models.items() if row["kind"] == "aligned"}
    methods = list(dict.fromkeys(row["method"] for row in aligned.values()))
    starts = list(dict.fromkeys((row["start"], row["seed"]) for row in aligned.values()))
    several = len({seed for _, seed in starts}) > 1
    by_place = {(row["start"], row["seed"], row["method"]): name for name, row in aligned.items()}
    made = []
    for test in layout.tests:
        rows = []
        for metric in layout.headlines(test):
            for start, seed in starts:
                label = f"{start} (seed {seed})" if several else start
                cells = [Cell(titled(metric)), Cell(label), layout.cell(test, metric.column, start)]
                for method in methods:
                    model = by_place.get((start, seed, method))
                    star = model and layout.marks.verdict(test, metric.column, "start", model, start)
                    cells.append(layout.cell(test, metric.column, model, star=bool(star)) if model else Cell(""))
                rows.append(cells)
        made.append(Grid(f"{test}: alignment by start", ["metric", "start", "itself", *methods], rows, names=2))
    return made
