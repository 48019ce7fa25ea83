"""What figures are drawn from: the tables of a study, and the rows of its model table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.core.errors import fault
from molmix.metrics import Metric

# A model or a test set may be called NA, or 007.
_NAMES = ("test", "metric", "sort", "arm", "model", "other", "start", "merge", "first", "second", "verdict")


@dataclass(frozen=True)
class Results:
    """The tables that figures show.

    Attributes:
        models: rows of the model table by id: kind, parents, method, seed, start, unseeded.
        metrics: all of them, in the order of the tables.
        leaderboard, comparisons, merges: as their CSV; merges may be empty.
    """

    models: Mapping[str, dict[str, Any]]
    metrics: tuple[Metric, ...]
    leaderboard: pd.DataFrame
    comparisons: pd.DataFrame
    merges: pd.DataFrame

    def headlines(self, tests: Iterable[str]) -> list[Metric]:
        """The metrics that people are shown, of those that some model has a figure of on all these test sets."""
        boards = [self.leaderboard[self.leaderboard["test"] == test] for test in tests]
        return [
            metric
            for metric in self.metrics
            if metric.headline
            and all(metric.column in board and board[metric.column].notna().any() for board in boards)
        ]

    def figures(self, test: str, column: str) -> pd.DataFrame:
        """Value, low and high of one metric by model, in the model table's order; NaN where a model has none."""
        board = self.leaderboard[self.leaderboard["test"] == test].set_index("model")
        names = {column: "value", f"{column}_low": "low", f"{column}_high": "high"}
        return board.reindex(index=list(self.models), columns=list(names)).rename(columns=names).astype(float)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that a run made; names stay text, whatever they look like.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    try:
        frame = pd.read_csv(
            path, dtype={name: str for name in _NAMES}, keep_default_na=False, na_values=[""], low_memory=False
        )
    except (OSError, ValueError) as error:
        raise fault(path, f"cannot be read ({error})", "delete it and run the same command again") from None
    verdicts = [name for name in frame if str(name).endswith("verdict")]
    return frame.fillna({name: "" for name in verdicts})


def foremost(values: pd.Series, most: int, *, lowest: bool = False) -> list[str]:
    """The models with the best values, at most so many, in the order of the series; those without a value come last."""
    ranked = values.sort_values(ascending=lowest, kind="stable", na_position="last").index[:most]
    return [str(model) for model in values.index if model in set(ranked)]


def told(shown: Sequence[str], known: Sequence[str], why: str) -> str:
    """What a figure says of models that it leaves out; empty where it shows all."""
    return f"{len(shown)} of {len(known)} models: {why}" if len(shown) < len(known) else ""


def reach(frames: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """Limits that hold every value and interval, with some air; 0 and 1 where there is none."""
    numbers = np.concatenate([frame.to_numpy(dtype=float).ravel() for frame in frames])
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return 0.0, 1.0
    low, high = float(numbers.min()), float(numbers.max())
    air = 0.06 * (high - low) or 0.05
    return low - air, high + air
