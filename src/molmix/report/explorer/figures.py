"""A system's figures and comparisons, as the run's tables have them."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.report.explorer.chunks import rounded

Owner = tuple[str, str]  # a test set and a model


def read_figures(path: Path, metrics: Sequence[str]) -> dict[Owner, list[list[float | None] | None]]:
    """Value, low and high of every metric, in the order given; None where the leaderboard has no figure.

    Raises:
        MolmixError: the file is something else.
    """
    return {
        (row["test"], row["model"]): [
            triple if (triple := _numbers(row, (name, f"{name}_low", f"{name}_high")))[0] is not None else None
            for name in metrics
        ]
        for row in _rows(path, {"test", "model"})
    }


def read_comparisons(path: Path, metrics: Sequence[str], models: Sequence[str]) -> dict[Owner, list[list[Any]]]:
    """Of every model, rows of places of a metric and another model, sort, n, difference, low, high, p and verdict.

    Raises:
        MolmixError: the file is something else.
    """
    columns, others = ({name: place for place, name in enumerate(names)} for names in (metrics, models))
    found: dict[Owner, list[list[Any]]] = defaultdict(list)
    for row in _rows(path, {"test", "model", "metric", "other", "sort", "n", "difference", "p_holm", "verdict"}):
        if row["metric"] in columns and row["other"] in others:
            numbers = _numbers(row, ("n", "difference", "difference_low", "difference_high", "p_holm"))
            pair = columns[row["metric"]], others[row["other"]]
            found[row["test"], row["model"]].append([*pair, row["sort"], *numbers, row["verdict"]])
    return found


def _rows(path: Path, needed: set[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if not needed <= {*(reader.fieldnames or ())}:
            lacks = ", ".join(sorted(needed - {*(reader.fieldnames or ())}))
            raise fault(path, f"lacks the columns {lacks}", "delete it and run the same command again")
        return list(reader)


def _numbers(row: dict[str, str], names: Sequence[str]) -> list[float | None]:
    return rounded((float(row[name]) if row.get(name) else None for name in names), 6)
