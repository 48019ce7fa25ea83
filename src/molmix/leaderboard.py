"""The leaderboard: a row a (model, test set), every metric with its bootstrap interval over molecules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.files import beside, read_table
from molmix.metrics import FAMILIES, Metric, Options
from molmix.stats import Interval, Pooled, bootstrap


def leaderboard(
    *,
    models: dict[str, dict[str, Any]],
    tests: dict[str, str],
    scores: Path,
    statistics: dict[str, Any],
    options: dict[str, Any],
    seed: int,
    csv: Path,
    markdown: Path,
) -> None:
    """Write the leaderboard as CSV (every figure) and Markdown (the figures people compare first).

    Args:
        models: rows of the model table: kind, parents, method and seed by id.
        tests: direction of each test set by name.
        scores: folder that holds ``<model>/<test>.parquet``.
        statistics: the config's `statistics`: resamples, level.
        seed: of the resamples, which all models of a test set share.
        options: as in :class:`molmix.metrics.Options`; they say which definitions the metrics follow.
        csv, markdown: files to write.
    """
    chosen = Options(**options)
    metrics = all_metrics(chosen)
    rows = []
    for test in tests:
        frames = {model: read_table(scores / model / f"{test}.parquet").to_pandas() for model in models}
        for model, intervals in intervals_of(frames, chosen, statistics, seed).items():
            row: dict[str, Any] = {"model": model, "test": test, **models[model]}
            row |= {"parents": " + ".join(row["parents"]), "captions": len(frames[model])}
            row["missing"] = int((frames[model]["finish"] == "missing").sum())
            for metric in metrics:
                found = intervals.get(metric.column)
                for part in ("value", "low", "high"):
                    name = metric.column if part == "value" else f"{metric.column}_{part}"
                    row[name] = getattr(found, part) if found else np.nan
            rows.append(row)
    table = pd.DataFrame(rows)
    with beside(csv) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    with beside(markdown) as temporary:
        shown = [family() for family in FAMILIES if _has_figures(table, family().metrics(chosen))]
        notes = [note for family in shown if (note := family.note(chosen))]
        temporary.write_text(_markdown(table, metrics, tests, statistics, notes), encoding="utf-8")


def all_metrics(options: Options) -> tuple[Metric, ...]:
    """Every metric of every family, in the order of the table's columns."""
    return tuple(metric for family in FAMILIES for metric in family().metrics(options))


def _has_figures(table: pd.DataFrame, metrics: Sequence[Metric]) -> bool:
    return any(table[metric.column].notna().any() for metric in metrics)


def intervals_of(
    frames: dict[str, pd.DataFrame], options: Options, statistics: dict[str, Any], seed: int
) -> dict[str, dict[str, Interval]]:
    """Every metric of every model of one test set with its interval, over the same resamples.

    Args:
        frames: scores by model; the same molecules in the same order.
        options: what the scores were made with.
        statistics: resamples, level.
        seed: of the resamples.
    """
    columns: dict[tuple[str, str], np.ndarray] = {}
    pooled: dict[tuple[str, str], Pooled] = {}
    for model, frame in frames.items():
        for family in (make() for make in FAMILIES):
            sums = family.pooled(frame, options) if hasattr(family, "pooled") else {}
            pooled |= {(model, column): figure for column, figure in sums.items()}
            columns |= {
                (model, metric.column): frame[metric.column].to_numpy(dtype=float)
                for metric in family.metrics(options)
                if metric.column in frame and metric.column not in sums
            }
    found = bootstrap(columns, pooled, resamples=statistics["resamples"], level=statistics["level"], seed=seed)
    return {
        model: {metric: interval for (owner, metric), interval in found.items() if owner == model} for model in frames
    }


def _markdown(
    table: pd.DataFrame, metrics: Sequence[Metric], tests: dict[str, str], statistics: dict[str, Any], notes: list[str]
) -> str:
    parts = ["# Leaderboard", ""]
    for test in tests:
        part = table[table["test"] == test]
        shown = [metric for metric in metrics if part[metric.column].notna().any()]
        arrow = {"higher": "↑", "lower": "↓"}
        parts += [f"## {test} ({part['captions'].iloc[0]} molecules)", ""]
        parts.append("| model | " + " | ".join(f"{metric.title} {arrow[metric.better]}" for metric in shown) + " |")
        parts.append("| --- |" + " ---: |" * len(shown))
        for _, row in part.iterrows():
            cells = [_cell(row, metric.column) for metric in shown]
            parts.append(f"| {row['model']} | " + " | ".join(cells) + " |")
        parts.append("")
        absent = [f"{row['model']} {row['missing']}" for _, row in part.iterrows() if row["missing"]]
        if absent:
            parts += [f"Molecules without a caption, counted as empty ones: {', '.join(absent)}.", ""]
    parts.append(
        f"Each figure stands with half the width of its {statistics['level']:.0%} interval "
        f"(bootstrap over molecules, {statistics['resamples']} resamples); both ends are in leaderboard.csv."
    )
    return "\n".join([*parts, "", *(f"- {note}" for note in notes)]) + "\n"


def _cell(row: pd.Series, column: str) -> str:
    if np.isnan(row[column]):
        return "–"
    half = (row[f"{column}_high"] - row[f"{column}_low"]) / 2
    return f"{row[column]:.3f} ±{half:.3f}".replace("0.", ".")
