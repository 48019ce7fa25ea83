"""Merge matrix: what each merge makes of each pair of models, beside the two themselves."""

from __future__ import annotations

from typing import Any

import pandas as pd

from molmix.analysis.comparison.layout import Layout
from molmix.analysis.tables import Cell, Grid, titled
from molmix.metrics import Metric

STARRED = "the difference from each of its parents, better than both or worse than both,"
SIDES = ("first", "second")
COMPARED = ("difference", "difference_low", "difference_high", "p", "p_holm", "effect", "verdict")


def frame(layout: Layout) -> pd.DataFrame:
    """A row a (test set, metric, merge): its figure, and the comparison with each parent."""
    parents = layout.comparisons[layout.comparisons["sort"] == "parent"]
    compared = parents.set_index(["test", "metric", "model", "other"])[[*COMPARED]].to_dict("index")
    rows = []
    for test in layout.tests:
        for metric in layout.metrics(test):
            for model, merged in _merges(layout).items():
                found = layout.figure(test, metric.column, model)
                row: dict[str, Any] = {"test": test, "metric": metric.column, "better": metric.better}
                row |= {"start": merged["start"], "seed": merged["seed"], "merge": merged["method"], "model": model}
                row |= dict(zip(SIDES, merged["parents"], strict=True))
                row |= {"n": found.n, "value": found.value, "low": found.low, "high": found.high}
                for side, parent in zip(SIDES, merged["parents"], strict=True):
                    row[f"{side}_value"] = layout.figure(test, metric.column, parent).value
                    own = compared.get((test, metric.column, model, parent), {})
                    row |= {f"{side}_{name}": own.get(name) for name in COMPARED}
                rows.append(row)
    return pd.DataFrame(rows)


def grids(layout: Layout) -> list[Grid]:
    """For each test set, metric and start a grid: the parents, then for each merge a triangle of their pairs."""
    groups: dict[tuple[str, int, str], list[str]] = {}
    for model, merged in _merges(layout).items():
        kind = layout.models[merged["parents"][0]]["kind"]
        groups.setdefault((merged["start"], merged["seed"], kind), []).append(model)
    several = len({seed for _, seed, _ in groups}) > 1
    made = []
    for test in layout.tests:
        for (start, seed, kind), models in groups.items():
            what = f"{kind} models from {start}" + (f", seed {seed}" if several else "")
            for metric in layout.headlines(test):
                made.append(_grid(layout, test, metric, f"{test}: {titled(metric)} of merges of {what}", start, models))
    return made


def _grid(layout: Layout, test: str, metric: Metric, title: str, start: str, models: list[str]) -> Grid:
    parents = list(dict.fromkeys(parent for model in models for parent in layout.models[model]["parents"]))
    names = [parent.removeprefix(f"{start}.") for parent in parents]
    merged = {(layout.models[model]["method"], *layout.models[model]["parents"]): model for model in models}
    rows = [[Cell("–"), Cell("themselves"), *(layout.cell(test, metric.column, parent) for parent in parents)]]
    for merge in dict.fromkeys(layout.models[model]["method"] for model in models):
        for first, name in zip(parents, names, strict=True):
            cells = [
                layout.cell(test, metric.column, model, star=_beyond_both(layout, test, metric.column, model))
                if (model := merged.get((merge, first, second)))
                else Cell("")
                for second in parents
            ]
            if any(cell.text for cell in cells):
                rows.append([Cell(merge), Cell(name), *cells])
    return Grid(title, ["merge", "with", *names], rows, names=2)


def _merges(layout: Layout) -> dict[str, dict[str, Any]]:
    return {model: row for model, row in layout.models.items() if row["kind"] == "merged"}


def _beyond_both(layout: Layout, test: str, metric: str, model: str) -> bool:
    parents = layout.models[model]["parents"]
    verdicts = {layout.marks.verdict(test, metric, "parent", model, parent) for parent in parents}
    return verdicts in ({"better"}, {"worse"})
