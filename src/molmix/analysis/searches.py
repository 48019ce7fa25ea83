"""The table of searched merges: every candidate with its figure on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from molmix.analysis.provenance import provenance
from molmix.analysis.tables import Cell, Grid, figure, write_csv, write_pages
from molmix.core.files import read_json

SHOWN = 10  # candidates in the table for people

NOTE = (
    "Weights were searched on molecules of the validation split, never on a test set. The value of the best of many "
    "candidates is too good: read the leaderboard, which shows the merge of the best ones on the test sets."
)


def write_searches(*, found: Sequence[Path], csv: Path, config: str, seeds: Sequence[int], corpus: Path) -> None:
    """Write all candidates as CSV, and the best of each search as Markdown and LaTeX beside it.

    Args:
        found: results of :func:`molmix.merge.search.search_weights`.
        csv: table to write; one row for each candidate.
        config, seeds, corpus: see :func:`molmix.analysis.provenance.provenance`.
    """
    searches = [read_json(path) for path in found]
    write_csv(pd.DataFrame([row for search in searches for row in candidate_rows(search)]), csv)
    notes = [NOTE, "", *provenance(config=config, seeds=seeds, corpus=corpus)]
    write_pages("Searched merges", [_grid(search) for search in searches], notes, csv.with_suffix(""))


def candidate_rows(search: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each candidate of a search: its number, its parameters, its value, and whether it was chosen."""
    facts = {name: search[name] for name in ("metric", "better", "molecules", "tried")}
    chosen = next(i for i, one in enumerate(search["candidates"]) if one["settings"] == search["settings"])
    return [
        {"model": search["id"], **facts, "candidate": number + 1, "value": one["value"], "chosen": number == chosen}
        | _numbers(one["settings"])
        for number, one in enumerate(search["candidates"])
    ]


def _numbers(settings: dict[str, Any]) -> dict[str, float]:
    """Parameters by name. The weights of the parents are numbered in their order."""
    flat: dict[str, float] = {}
    for name, value in settings.items():
        own = value if isinstance(value, list) else [value]
        flat |= {f"{name}_{number}" if isinstance(value, list) else name: x for number, x in enumerate(own, start=1)}
    return flat


def _grid(search: dict[str, Any]) -> Grid:
    names = [*_numbers(search["settings"])]
    best_first = sorted(candidate_rows(search), key=lambda row: row["value"], reverse=search["better"] == "higher")
    rows = [
        [Cell(str(row["candidate"]), bold=row["chosen"])]
        + [Cell(figure(row[name])) for name in names]
        + [Cell(figure(row["value"]), bold=row["chosen"])]
        for row in best_first[:SHOWN]
    ]
    left = f"; the best {SHOWN}" if len(best_first) > SHOWN else ""
    title = f"{search['id']}: {search['tried']} tried, on {search['molecules']} molecules of validation{left}"
    return Grid(title, ["candidate", *names, search["metric"]], rows)
