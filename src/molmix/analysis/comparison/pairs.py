"""Who is compared with whom, apart from the best model, which is found from the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fixed_pairs(models: Mapping[str, dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Comparisons that follow from how models were made.

    Args:
        models: by id, `start` (None where it has none), `kind` and `parents`.

    Returns:
        (sort, model, other): every model with its own start, every merge with both parents.
    """
    starts = [("start", model, row["start"]) for model, row in models.items() if row["start"]]
    merges = [(model, row["parents"]) for model, row in models.items() if row["kind"] == "merged"]
    return starts + [("parent", model, parent) for model, parents in merges for parent in parents]
