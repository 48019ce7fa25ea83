"""The leaderboard: one row per (model, test set), every metric with its bootstrap interval over molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.analysis.bootstrap import Interval, bootstrap
from molmix.analysis.comparison.significance import BOLD, Significance, significant, star
from molmix.analysis.licences import Licences
from molmix.analysis.provenance import counts, joins, precision, provenance
from molmix.analysis.tables import Cell, Grid, figure, titled, write_csv, write_pages
from molmix.core.errors import counted
from molmix.core.files import read_json
from molmix.metrics import Metric, Options, all_metrics, load_families
from molmix.metrics.aggregate import figures_of, read_scores
from molmix.metrics.degenerate import FLAWS


def leaderboard(
    *,
    models: dict[str, dict[str, Any]],
    tests: dict[str, str],
    scores: Path,
    comparisons: Path,
    statistics: dict[str, Any],
    options: dict[str, Any],
    licences: Mapping[str, Path],
    seeds: list[int],
    config: str,
    corpus: Path,
    manifests: Sequence[Path],
    table: Path,
) -> None:
    """Write the leaderboard as CSV (every figure), and as Markdown and LaTeX for people.

    Args:
        models: rows of the model table: kind, parents, method, seed and start by id.
        tests: direction of each test set by name.
        scores: folder that holds ``<model>/<test>.parquet``.
        comparisons: CSV of :func:`molmix.analysis.comparison.compare.compare_models`, which decides on bold and
            stars.
        statistics: the config's `statistics`: resamples, level.
        options: as in :class:`molmix.metrics.Options`; they define the variants of the metrics.
        licences: as of :class:`molmix.analysis.licences.Licences`.
        seeds: of the study; the first is that of the resamples, which all models of a test set share.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
        manifests: of the models.
        table: path of the files to write, without the endings ``.csv``, ``.md`` and ``.tex``.
    """
    chosen = Options(**options)
    metrics, licensed = all_metrics(chosen), Licences(licences, chosen)
    rows, lines = [], []
    dtypes: list[str] = []
    for test in tests:
        frames = {model: read_scores(scores / model / f"{test}.parquet") for model in models}
        intervals = intervals_of(frames, chosen, statistics, seeds[0])
        for model, found in intervals.items():
            row: dict[str, Any] = {"model": model, "test": test}
            row |= {key: models[model][key] for key in ("kind", "parents", "method", "seed")}
            row |= {"parents": " + ".join(row["parents"]), "captions": len(frames[model])}
            row["missing"] = int((frames[model]["finish"] == "missing").sum())
            row["words"] = frames[model]["words"].mean()
            row |= {flaw: int(frames[model][flaw].sum()) for flaw in FLAWS}
            for metric in metrics:
                for part in ("value", "low", "high"):
                    name = metric.column if part == "value" else f"{metric.column}_{part}"
                    row[name] = getattr(found[metric.column], part) if metric.column in found else np.nan
            rows.append(row)
        dtypes += [dtype for frame in frames.values() if (dtype := frame.attrs["dtype"])]
        lines += counts(test, frames, {(m, c): f.n for m, own in intervals.items() for c, f in own.items()})
    board = pd.DataFrame(rows)
    write_csv(board, table.with_suffix(".csv"))
    shown = [family for family in load_families() if _has_figures(board, family.metrics(chosen))]
    starred = [star("the starting model")] if any(row["start"] for row in models.values()) else []
    made = [read_json(path) for path in manifests]
    joined, joins_warnings = joins(made)
    notes = [
        f"Each figure stands with half the width of its {statistics['level']:.0%} interval (bootstrap over molecules); "
        "both ends are in leaderboard.csv.",
        " ".join([BOLD, *starred, significant(statistics["level"])]),
        "`words`: mean number of words of a caption. Numbers of captions: `empty`; `cut` at the limit of tokens; "
        "`repeated`, which end in a repetition; `missing` from a file, which count as empty ones.",
        "",
        *(f"- {note}" for family in shown if (note := family.note(chosen))),
        *(f"- {note}" for note in licensed.notes.values()),
        *(f"- {line}" for line in [*precision(dtypes, made), *joined]),
        *provenance(
            config=config,
            seeds=seeds,
            corpus=corpus,
            models=made,
            resamples=statistics["resamples"],
            counted=lines,
        ),
    ]
    grids = _grids(board, metrics, tests, models, Significance.read(comparisons), licensed)
    write_pages("Leaderboard", grids, notes, table, [*joins_warnings, *licensed.warnings])


def _has_figures(table: pd.DataFrame, metrics: Sequence[Metric]) -> bool:
    return any(table[metric.column].notna().any() for metric in metrics)


def intervals_of(
    frames: dict[str, pd.DataFrame], options: Options, statistics: dict[str, Any], seed: int
) -> dict[str, dict[str, Interval]]:
    """Every metric of every model of one test set with its interval, over the same resamples.

    Figures of all answers together, such as a distance between two sets, have no interval: both ends are NaN.

    Args:
        frames: scores by model; the same molecules in the same order.
        options: options of the scores.
        statistics: resamples, level.
        seed: of the resamples.
    """
    columns, pooled = figures_of(frames, options)
    found = bootstrap(columns, pooled, resamples=statistics["resamples"], level=statistics["level"], seed=seed)
    by_model: dict[str, dict[str, Interval]] = {model: {} for model in frames}
    for (model, metric), interval in found.items():
        by_model[model][metric] = interval
    for model, frame in frames.items():
        of_set = frame.attrs.get("set_figures", {})
        by_model[model] |= {column: Interval(value, np.nan, np.nan, len(frame)) for column, value in of_set.items()}
    return by_model


def _grids(
    board: pd.DataFrame,
    metrics: Sequence[Metric],
    tests: dict[str, str],
    models: dict[str, dict[str, Any]],
    significance: Significance,
    licences: Licences,
) -> list[Grid]:
    grids = []
    for test in tests:
        part = board[board["test"] == test]
        shown = [metric for metric in metrics if metric.shown and part[metric.column].notna().any()]
        counts = [*(["missing"] if part["missing"].any() else []), *FLAWS]
        rows = []
        for _, row in part.iterrows():
            model = row["model"]
            cells = [Cell(model)]
            for metric in shown:
                column = metric.column
                ends = () if metric.of_set else (row[f"{column}_low"], row[f"{column}_high"])
                text = figure(row[column], *ends)
                star = bool(significance.verdict(test, column, "start", model, models[model]["start"]))
                cells.append(Cell(text, bold=significance.best(test, column) == model, star=star))
            rows.append([*cells, Cell(f"{row['words']:.1f}"), *(Cell(str(row[count])) for count in counts)])
        titles = [titled(metric) + licences.mark(test, metric.column) for metric in shown]
        header = ["model", *titles, "words", *counts]
        grids.append(Grid(f"{test} ({counted(part['captions'].iloc[0], 'molecule')})", header, rows))
    return grids
