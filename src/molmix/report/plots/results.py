"""The tables of a study and the rows of its model table, for the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.core.errors import fault
from molmix.core.files import make_again
from molmix.metrics import Metric

# Columns of names. A name may be NA or 007, so pandas must not guess their type.
_NAMES = ("test", "metric", "sort", "arm", "model", "other", "start", "merge", "first", "second", "verdict")


@dataclass(frozen=True)
class Results:
    """The data of the figures.

    Attributes:
        models: rows of the model table by id: kind, parents, method, seed, start, unseeded.
        metrics: all metrics, in the order of the tables.
        leaderboard, comparisons, merges: the CSV tables; merges may be empty.
    """

    models: Mapping[str, dict[str, Any]]
    metrics: tuple[Metric, ...]
    leaderboard: pd.DataFrame
    comparisons: pd.DataFrame
    merges: pd.DataFrame

    def headlines(self, tests: Iterable[str]) -> list[Metric]:
        """The main metrics that have a value on each of these test sets, for at least one model."""
        boards = [self.leaderboard[self.leaderboard["test"] == test] for test in tests]
        return [
            metric
            for metric in self.metrics
            if metric.headline
            and all(metric.column in board and board[metric.column].notna().any() for board in boards)
        ]

    def figures(self, test: str, column: str) -> pd.DataFrame:
        """Columns value, low and high of one metric, with a row for each model; NaN if a model has no value."""
        board = self.leaderboard[self.leaderboard["test"] == test].set_index("model")
        names = {column: "value", f"{column}_low": "low", f"{column}_high": "high"}
        return board.reindex(index=list(self.models), columns=list(names)).rename(columns=names).astype(float)


def read_result_table(path: Path) -> pd.DataFrame:
    """Read a CSV table of the run. Names are always read as text.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    try:
        frame = pd.read_csv(
            path, dtype={name: str for name in _NAMES}, keep_default_na=False, na_values=[""], low_memory=False
        )
    except (OSError, ValueError) as error:
        raise fault(path, f"cannot be read ({error})", make_again(path)) from None
    verdicts = [name for name in frame if str(name).endswith("verdict")]
    return frame.fillna({name: "" for name in verdicts})


def best_models(values: pd.Series, most: int, *, lowest: bool = False) -> list[str]:
    """At most `most` models with the best values, in the order of the series. Models without a value come last."""
    ranked = values.sort_values(ascending=lowest, kind="stable", na_position="last").index[:most]
    return [str(model) for model in values.index if model in set(ranked)]


def omitted_note(shown: Sequence[str], known: Sequence[str], why: str) -> str:
    """Note for a figure that leaves models out; empty if it shows all."""
    return f"{len(shown)} of {len(known)} models: {why}" if len(shown) < len(known) else ""


def axis_limits(frames: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """Axis limits around all values and intervals, with a margin; 0 and 1 if there are no values."""
    numbers = np.concatenate([frame.to_numpy(dtype=float).ravel() for frame in frames])
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return 0.0, 1.0
    low, high = float(numbers.min()), float(numbers.max())
    margin = 0.06 * (high - low) or 0.05
    return low - margin, high + margin
