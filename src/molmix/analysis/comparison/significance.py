"""Significance of differences, for bold figures and stars in tables. It is read from the comparisons only."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from molmix.core.errors import fault
from molmix.core.files import make_again

_KEYS = ["test", "metric", "sort", "model", "other"]


class Significance:
    """The verdicts of all comparisons.

    Args:
        comparisons: columns of :data:`molmix.analysis.comparison.paired.COLUMNS`, and test.
    """

    def __init__(self, comparisons: pd.DataFrame):
        keys = comparisons[_KEYS].itertuples(index=False, name=None)
        self._verdicts: dict[tuple[str | None, ...], str] = dict(zip(keys, comparisons["verdict"], strict=True))
        self._best: dict[tuple[str, str], str] = {}
        for _, rows in comparisons[comparisons["sort"] == "best"].groupby(["test", "metric"]):
            if (rows["verdict"] == "worse").all():
                test, metric, best = rows[["test", "metric", "other"]].iloc[0]
                self._best[test, metric] = best

    @classmethod
    def read(cls, path: Path) -> Significance:
        """Read comparisons.csv.

        Raises:
            MolmixError: the file is missing, or has another format.
        """
        try:
            # A model may have the name NA.
            return cls(pd.read_csv(path, usecols=[*_KEYS, "verdict"], dtype=str, keep_default_na=False))
        except (OSError, ValueError) as error:
            raise fault(path, f"cannot be read ({error})", make_again(path)) from None

    def best(self, test: str, metric: str) -> str | None:
        """The best model if all others are significantly worse; else, or without others, None."""
        return self._best.get((test, metric))

    def verdict(self, test: str, metric: str, sort: str, model: str, other: str | None) -> str:
        """`better` or `worse` if the difference is significant; empty if it is not, or was not tested."""
        return self._verdicts.get((test, metric, sort, model, other), "")


BOLD = "Bold: the best of the test set, if it is significantly better than every other model."


def star(other: str) -> str:
    """Note on stars in a table: a significant difference from `other`."""
    return f"A star marks a significant difference from {other}."


def significant(level: float, table: str = "comparisons.csv") -> str:
    """Note on the significance test, and the table with the p."""
    return (
        f"Significant: two-sided p of at most {1 - level:.2g} by a paired permutation test over molecules (random sign "
        f"flips), with Holm's correction, over the molecules where both models have a score; {table} holds every p."
    )
