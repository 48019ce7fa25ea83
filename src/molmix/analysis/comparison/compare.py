"""Compare all models of a study, and write tables of the comparisons: differences, merges, alignments, seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.analysis.comparison.layout import Layout, compare_tests
from molmix.analysis.comparison.paired import asked_pairs, fixed_pairs
from molmix.analysis.comparison.significance import BOLD, significant, star
from molmix.analysis.provenance import provenance
from molmix.analysis.tables import Cell, Grid, figure, write_csv, write_pages
from molmix.core.files import read_json
from molmix.metrics import Metric, Options

SORTS = {
    "start": "models less their starting point",
    "parent": "merges less each of their parents",
    "asked": "pairs that the config asks for",
    "best": "models less the best one of each column",
}
PARENTS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")  # of a merge
COMPARED = ("n", "difference", "difference_low", "difference_high", "p", "p_holm", "effect", "verdict")
SEED_COLUMNS = ["test", "metric", "better", "model", "seeds", "mean", "deviation", "low", "high"]
SEEDS = (
    "Mean, sample standard deviation (SD) and range over trainings that differ in their seed only. This is the "
    "variation between seeds, which the intervals do not include: they are over molecules, for one training."
)


def compare_models(
    *,
    models: Mapping[str, dict[str, Any]],
    tests: list[str],
    scores: Path,
    statistics: dict[str, Any],
    options: dict[str, Any],
    licences: Mapping[str, Path],
    study_seeds: list[int],
    config: str,
    corpus: Path,
    manifests: Sequence[Path],
    tables: Mapping[str, Path],
) -> None:
    """Write the tables of comparisons, each as CSV (every metric), Markdown and LaTeX (the shown metrics).

    Args:
        models: rows of the model table by id: kind, parents, method, seed, start, unseeded.
        tests: names of the test sets.
        scores: folder that holds ``<model>/<test>.parquet``.
        statistics: the config's `statistics`: resamples, level, and compare if it is not empty.
        options: as in :class:`molmix.metrics.Options`.
        licences: as of :class:`molmix.analysis.licences.Licences`.
        study_seeds: of the study; the first is that of resamples and permutations.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
        manifests: of the models.
        tables: paths of the files to write, without ending: `comparisons`, and `merges`, `alignments` and `seeds` if
            the study has them.
    """
    asked = statistics.get("compare", [])
    statistics = {name: value for name, value in statistics.items() if name != "compare"}
    layout, counted, permutations = compare_tests(
        {model: scores / model for model in models},
        tests,
        [*fixed_pairs(models), *asked_pairs(models, asked)],
        Options(**options),
        licences=licences,
        rows=models,
        seed=study_seeds[0],
        statistics=statistics,
    )
    level = statistics["level"]
    half = f"Each figure stands with half the width of its {level:.0%} interval (bootstrap over molecules)."
    pages: dict[str, tuple[str, pd.DataFrame, list[Grid], list[str]]] = {
        "comparisons": (
            "Comparisons",
            layout.comparisons,
            difference_grids(layout),
            [half, "A star marks a significant difference.", significant(level)],
        ),
        "merges": (
            "Merges",
            merge_frame(layout),
            merge_grids(layout),
            [half, BOLD, star(_differs_from_parents(layout)), significant(level)],
        ),
        "alignments": (
            "Alignments",
            alignment_frame(layout),
            alignment_grids(layout),
            [half, BOLD, star("the starting model"), significant(level)],
        ),
        "seeds": ("Variation between seeds", seed_frame(layout), seed_grids(layout), [SEEDS]),
    }
    below = provenance(
        config=config,
        seeds=study_seeds,
        corpus=corpus,
        models=[read_json(path) for path in manifests],
        resamples=statistics["resamples"],
        permutations=permutations,
        counted=counted,
    )
    for name, stem in tables.items():
        title, frame, grids, words = pages[name]
        write_csv(frame, stem.with_suffix(".csv"))
        nothing = [] if grids else ["There is nothing to compare.", ""]
        write_pages(title, grids, [*nothing, " ".join(words), "", *below], stem, layout.licences.warnings)


# ---- differences: every comparison ----------------------------------------------------------------------------------


def difference_grids(layout: Layout) -> list[Grid]:
    """Differences with half the widths of their intervals; significant ones have a star."""
    made = []
    for test in layout.tests:
        shown = layout.headlines(test)
        header = [layout.titled(test, metric) for metric in shown]
        for sort, title in SORTS.items():
            own = layout.comparisons[(layout.comparisons["test"] == test) & (layout.comparisons["sort"] == sort)]
            own = own[own["metric"].isin([metric.column for metric in shown])]
            if own.empty:
                continue
            names = ["model", "other"] if sort != "best" else ["model"]
            cells = {(*(row[name] for name in names), row["metric"]): _difference(row) for _, row in own.iterrows()}
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
            made.append(Grid(f"{test}: {title}", [*names, *header], rows, names=len(names)))
    return made


def _difference(row: pd.Series) -> Cell:
    text = figure(row["difference"], row["difference_low"], row["difference_high"], signed=True)
    return Cell(text, star=bool(row["verdict"]))


# ---- merges: the result for each pair of models, with the pair's own figures
# ------------------------------------------


def sides(number: int) -> list[str]:
    """Names of a number of parents in column names."""
    return [*PARENTS[:number], *(f"parent{index}" for index in range(len(PARENTS) + 1, number + 1))]


def merge_frame(layout: Layout) -> pd.DataFrame:
    """One row per (test set, metric, merge): its figure, and the comparison with each parent."""
    parents = layout.comparisons[layout.comparisons["sort"] == "parent"]
    compared = parents.set_index(["test", "metric", "model", "other"])[[*COMPARED]].to_dict("index")
    rows = []
    for test in layout.tests:
        for metric in layout.metrics(test):
            for model, merged in _merges(layout).items():
                found = layout.figure(test, metric.column, model)
                row: dict[str, Any] = {"test": test, "metric": metric.column, "better": metric.better}
                row |= {"start": merged["start"], "seed": merged["seed"], "merge": merged["method"], "model": model}
                names = sides(len(merged["parents"]))
                row |= dict(zip(names, merged["parents"], strict=True))
                row |= {"n": found.n, "value": found.value, "low": found.low, "high": found.high}
                for side, parent in zip(names, merged["parents"], strict=True):
                    row[f"{side}_value"] = layout.figure(test, metric.column, parent).value
                    own = compared.get((test, metric.column, model, parent), {})
                    row |= {f"{side}_{name}": own.get(name) for name in COMPARED}
                rows.append(row)
    widest = max(rows, key=len, default={})  # that of most parents has all columns
    return pd.DataFrame(rows, columns=[*widest])


def merge_grids(layout: Layout) -> list[Grid]:
    """For each test set and start, grids. For each metric: the parents, then for each merge a triangle of their pairs.
    For merges of three models or more: one grid with all metrics.
    """
    groups: dict[tuple[str, int, str], list[str]] = {}
    for model, merged in _merges(layout).items():
        kind = layout.models[next(name for name in reversed(merged["parents"]) if name != merged["start"])]["kind"]
        groups.setdefault((merged["start"], merged["seed"], kind), []).append(model)
    several = len({seed for _, seed, _ in groups}) > 1
    made = []
    for test in layout.tests:
        for (start, seed, kind), models in groups.items():
            what = f"{kind} models from {start}" + (f", seed {seed}" if several else "")
            pairs = [model for model in models if len(layout.models[model]["parents"]) == 2]
            for metric in layout.headlines(test) if pairs else ():
                made.append(
                    _merge_grid(
                        layout,
                        test,
                        metric,
                        f"{test}: {layout.titled(test, metric)} of merges of {what}",
                        start,
                        pairs,
                    )
                )
            if larger := [model for model in models if model not in pairs]:
                made.append(_set_grid(layout, test, f"{test}: merges of three or more {what}", start, larger))
    return made


def _set_grid(layout: Layout, test: str, title: str, start: str, models: list[str]) -> Grid:
    """One row for each merge, with all metrics."""
    metrics = layout.headlines(test)
    rows = []
    for model in models:
        of = " + ".join(parent.removeprefix(f"{start}.") for parent in layout.models[model]["parents"])
        figures = [
            layout.cell(test, metric.column, model, star=_differs_from_all(layout, test, metric.column, model))
            for metric in metrics
        ]
        rows.append([Cell(layout.models[model]["method"]), Cell(of), *figures])
    header = ["merge", "of", *(layout.titled(test, metric) for metric in metrics)]
    return Grid(title, header, rows, names=2)


def _merge_grid(layout: Layout, test: str, metric: Metric, title: str, start: str, models: list[str]) -> Grid:
    parents = list(dict.fromkeys(parent for model in models for parent in layout.models[model]["parents"]))
    names = [parent.removeprefix(f"{start}.") for parent in parents]
    merged = {(layout.models[model]["method"], *layout.models[model]["parents"]): model for model in models}
    rows = [[Cell("–"), Cell("themselves"), *(layout.cell(test, metric.column, parent) for parent in parents)]]
    for merge in dict.fromkeys(layout.models[model]["method"] for model in models):
        for first, name in zip(parents, names, strict=True):
            cells = [
                layout.cell(test, metric.column, model, star=_differs_from_all(layout, test, metric.column, model))
                if (model := merged.get((merge, first, second)))
                else Cell("")
                for second in parents
            ]
            if any(cell.text for cell in cells):
                rows.append([Cell(merge), Cell(name), *cells])
    return Grid(title, ["merge", "with", *names], rows, names=2)


def _differs_from_parents(layout: Layout) -> str:
    if all(len(row["parents"]) == 2 for row in _merges(layout).values()):
        return "both parents: better than both, or worse than both"
    return "all parents: better than each, or worse than each"


def _merges(layout: Layout) -> dict[str, dict[str, Any]]:
    return {model: row for model, row in layout.models.items() if row["kind"] == "merged"}


def _differs_from_all(layout: Layout, test: str, metric: str, model: str) -> bool:
    parents = layout.models[model]["parents"]
    verdicts = {layout.significance.verdict(test, metric, "parent", model, parent) for parent in parents}
    return verdicts in ({"better"}, {"worse"})


# ---- alignments: the result of each method for each starting model
# ------------------------------------------------------


def alignment_frame(layout: Layout) -> pd.DataFrame:
    """One row per (test set, metric, aligned model): its figure, its start's figure, and their comparison."""
    own = layout.comparisons[layout.comparisons["sort"] == "start"]
    aligned = own["model"].map(lambda model: layout.models[model]["kind"] == "aligned").astype(bool)
    own = own[aligned].drop(columns="sort").rename(columns=lambda name: name.replace("other", "start"))
    for index, key in enumerate(("method", "seed")):
        own.insert(4 + index, key, [layout.models[model][key] for model in own["model"]])
    return own


def alignment_grids(layout: Layout) -> list[Grid]:
    """For each test set, a grid with one row per metric and start, and one column per method."""
    aligned = {name: row for name, row in layout.models.items() if row["kind"] == "aligned"}
    methods = list(dict.fromkeys(row["method"] for row in aligned.values()))
    starts = list(dict.fromkeys((row["start"], row["seed"]) for row in aligned.values()))
    several = len({seed for _, seed in starts}) > 1
    aligned_as = {(row["start"], row["seed"], row["method"]): name for name, row in aligned.items()}
    made = []
    for test in layout.tests:
        rows = []
        for metric in layout.headlines(test):
            for start, seed in starts:
                label = f"{start} (seed {seed})" if several else start
                cells = [Cell(layout.titled(test, metric)), Cell(label), layout.cell(test, metric.column, start)]
                for method in methods:
                    model = aligned_as.get((start, seed, method))
                    star = model and layout.significance.verdict(test, metric.column, "start", model, start)
                    cells.append(layout.cell(test, metric.column, model, star=bool(star)) if model else Cell(""))
                rows.append(cells)
        made.append(Grid(f"{test}: alignment by start", ["metric", "start", "itself", *methods], rows, names=2))
    return made


# ---- seeds: variation between trainings -----------------------------------------------------------------------------


def seed_frame(layout: Layout) -> pd.DataFrame:
    """One row per (test set, metric, group of models that differ in their seed only): the spread of their figures.

    `model` is their id without seeds, `seeds` the number of models with a figure, `deviation` the sample standard
    deviation (NaN for one seed), `low` and `high` the lowest and the highest figure.
    """
    rows = [
        {"test": test, "metric": metric.column, "better": metric.better, "model": group, **spread}
        for test in layout.tests
        for metric in layout.metrics(test)
        for group, models in _seed_groups(layout).items()
        if (spread := _spread(layout, test, metric, models))
    ]
    return pd.DataFrame(rows, columns=SEED_COLUMNS)


def seed_grids(layout: Layout) -> list[Grid]:
    """For each test set, a grid of means, standard deviations and ranges."""
    made = []
    for test in layout.tests:
        shown = layout.headlines(test)
        rows = []
        for group, models in _seed_groups(layout).items():
            spreads = [_spread(layout, test, metric, models) for metric in shown]
            cells = [Cell(_spread_text(spread, len(models))) if spread else Cell("–") for spread in spreads]
            rows.append([Cell(group), Cell(str(len(models))), *cells])
        header = ["model", "seeds", *(layout.titled(test, metric) for metric in shown)]
        made.append(Grid(f"{test}: variation between seeds", header, rows))
    return made


def _seed_groups(layout: Layout) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for model, row in layout.models.items():
        if row["unseeded"]:
            groups.setdefault(row["unseeded"], []).append(model)
    return {group: models for group, models in groups.items() if len(models) > 1}


def _spread(layout: Layout, test: str, metric: Metric, models: list[str]) -> dict[str, Any]:
    values = np.array([layout.figure(test, metric.column, model).value for model in models])
    values = values[~np.isnan(values)]
    if not len(values):
        return {}
    return {
        "seeds": len(values),
        "mean": float(values.mean()),
        "deviation": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _spread_text(spread: dict[str, Any], models: int) -> str:
    mean, deviation, low, high = (figure(spread[name]) for name in ("mean", "deviation", "low", "high"))
    some = f"; {spread['seeds']} of {models} seeds" if spread["seeds"] < models else ""
    return f"{mean} (SD {deviation}; {low} to {high}{some})"
