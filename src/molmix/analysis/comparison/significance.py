"""What tables show in bold and with a star, read off the comparisons and nothing else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from molmix.core.errors import fault

_KEYS = ["test", "metric", "sort", "model", "other"]


class Marks:
    """Look-up of verdicts.

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
    def read(cls, path: Path) -> Marks:
        """From comparisons.csv.

        Raises:
            MolmixError: the file is missing, or something else.
        """
        try:
            # A model may be called NA.
            return cls(pd.read_csv(path, usecols=[*_KEYS, "verdict"], dtype=str, keep_default_na=False))
        except (OSError, ValueError) as error:
            raise fault(path, f"cannot be read ({error})", "delete it and run the same command again") from None

    def best(self, test: str, metric: str) -> str | None:
        """The best model, if every other is worse beyond chance; None where there is no other, or it may be chance."""
        return self._best.get((test, metric))

    def verdict(self, test: str, metric: str, sort: str, model: str, other: str | None) -> str:
        """`better` or `worse` where the difference is beyond chance; empty where it is not, or was not tested."""
        return self._verdicts.get((test, metric, sort, model, other), "")


BOLD = "Bold: the best of the test set, where its difference from each other model is beyond chance."


def star(what: str) -> str:
    """What is said of the stars of a table, where one stands if `what` is beyond chance."""
    return f"Star: {what} is beyond chance."


def beyond_chance(level: float, table: str = "comparisons.csv") -> str:
    """What beyond chance means, and in which table the p are."""
    return (
        f"Beyond chance: two-sided p of at most {1 - level:.2g} by approximate randomisation over molecules, after "
        f"Holm's correction; {table} holds every p."
    )
