"""Percentile bootstrap intervals (Efron & Tibshirani 1993, ch. 13) over rows, which are molecules.

Everything that is resampled is a function of column sums: a mean is a sum over a count, a corpus BLEU is a
formula over summed n-gram counts. A resample is then a vector that says how often each row was drawn, and
thousands of resamples of hundreds of columns are a few matrix products.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from molmix.metrics import Pooled
from molmix.metrics.aggregate import ratio

# Entries in a block of resamples × rows: 32 MB for each of the few arrays of that size that live at once.
_BLOCK = 4_000_000

Key = TypeVar("Key", bound=Hashable)
Array = Any  # array (rows, k): of numpy, or sparse ones of scipy where most entries are 0


@dataclass(frozen=True)
class Interval:
    """A figure, the interval around it, and the number of rows that it rests on.

    All three figures are NaN where no row holds a value; both ends are NaN where a single row does.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Replicates:
    """A figure and what it came to in each resample: array (resamples,).

    Two of them from one call, or from calls with the same rows and seed, share their resamples.
    """

    value: float
    draws: np.ndarray
    n: int

    def interval(self, level: float = 0.95) -> Interval:
        """The percentile interval. Resamples that hold no value for the figure are left out.

        One row has no interval: every resample of it is the same.
        """
        draws = self.draws[~np.isnan(self.draws)]
        tail = (1 - level) / 2
        low, high = np.quantile(draws, [tail, 1 - tail]) if len(draws) and self.n > 1 else (np.nan, np.nan)
        return Interval(self.value, float(low), float(high), self.n)

    def minus(self, other: "Replicates") -> "Replicates":
        """The difference of two figures over the same resamples, so that its interval is a paired one."""
        return Replicates(self.value - other.value, self.draws - other.draws, min(self.n, other.n))


def resampled_rows(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """The rows of each resample, drawn with replacement.

    Yields:
        Blocks, arrays (some resamples, rows) of row numbers; together ``resamples`` long. How they are cut
        into blocks does not change what is drawn.
    """
    generator = np.random.default_rng(seed)
    step = max(1, _BLOCK // max(rows, 1))
    for start in range(0, resamples, step):
        yield generator.integers(0, rows, size=(min(step, resamples - start), rows))


def replicate(
    columns: Mapping[Key, np.ndarray],
    pooled: Mapping[Key, Pooled] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[Key, Replicates]:
    """Resample the rows of a test set, the same resamples for every column and every pooled figure.

    Args:
        columns: arrays (rows,) to take the mean of, over the rows that are not NaN. Hand over all systems of
            a test set at once, with keys such as ``(system, metric)``: that is fast, and makes them pairs.
        pooled: figures that are no means, such as :func:`molmix.metrics.bleu.pooled_bleu`.
        resamples: how many.
        seed: the same rows, resamples and seed give the same draws.

    Returns:
        One :class:`Replicates` for each key.

    Raises:
        ValueError: the arrays differ in length, or a key is in both mappings.
    """
    pooled = pooled or {}
    both = columns.keys() & pooled.keys()
    if both:
        raise ValueError(f"both a column and a pooled figure: {sorted(map(str, both))}")
    figures = {key: mean(column) for key, column in columns.items()} | dict(pooled)
    if not figures:
        return {}
    # What several figures are made of is resampled once.
    parts = {id(array): array for array, _ in figures.values()}
    rows = row_count(list(parts.values()))
    if not rows:
        return {key: Replicates(np.nan, np.full(resamples, np.nan), 0) for key in figures}

    blocks: dict[int, list[np.ndarray]] = {key: [] for key in parts}
    for block in weighted_sums(parts, map(_counts, resampled_rows(rows, resamples, seed))):
        for part, some in block.items():
            blocks[part].append(some)
    sums = {part: np.concatenate(found) for part, found in blocks.items()}
    result = {}
    for key, (array, value) in figures.items():
        everything = array.sum(axis=0)
        n = int(everything[1]) if key in columns else rows
        result[key] = Replicates(float(value(everything)), value(sums[id(array)]), n)
    return result


def row_count(arrays: Sequence[Array]) -> int:
    """How many rows the arrays have.

    Raises:
        ValueError: they differ in length.
    """
    sizes = {array.shape[0] for array in arrays}
    if len(sizes) > 1:
        raise ValueError(f"arrays differ in length: {sorted(sizes)}")
    return sizes.pop()


def weighted_sums(parts: Mapping[Key, Array], weights: Iterable[np.ndarray]) -> Iterator[dict[Key, np.ndarray]]:
    """Column sums of each array under each weighting of its rows, the dense arrays in one matrix product.

    Args:
        parts: arrays (rows, k).
        weights: blocks, arrays (some weightings, rows).

    Yields:
        For each block, the sums of each array: (some weightings, k).
    """
    dense = {key: array for key, array in parts.items() if isinstance(array, np.ndarray)}
    joined = np.column_stack(list(dense.values())) if dense else None
    edges = np.cumsum([array.shape[1] for array in dense.values()])[:-1]
    for block in weights:
        sums = {key: block @ array for key, array in parts.items() if key not in dense}
        if joined is not None:
            # Column by column in memory: figures are made of a few columns each.
            sums |= dict(zip(dense, np.split((joined.T @ block.T).T, edges, axis=1), strict=True))
        yield sums


def bootstrap(
    columns: Mapping[Key, np.ndarray],
    pooled: Mapping[Key, Pooled] | None = None,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[Key, Interval]:
    """The interval of each figure; arguments and errors as :func:`replicate`.

    Args:
        level: share of the resampled figures inside the interval, between its tails of equal weight.
    """
    replicates = replicate(columns, pooled, resamples=resamples, seed=seed)
    return {key: figure.interval(level) for key, figure in replicates.items()}


def value_of(figure: Pooled) -> float:
    """A figure of all rows; NaN of none."""
    array, value = figure
    return float(value(array.sum(axis=0))) if array.shape[0] else np.nan


def mean(column: np.ndarray) -> Pooled:
    """The mean over the rows that are not NaN, as sums that it is made of: array (rows,) in."""
    column = np.asarray(column, dtype=float)
    held = ~np.isnan(column)
    return np.column_stack([np.where(held, column, 0.0), held]), lambda sums: ratio(sums[..., 0], sums[..., 1])


def _counts(block: np.ndarray) -> np.ndarray:
    """How often each row was drawn: array (resamples, rows), float64 for the matrix product."""
    size, rows = block.shape
    flat = (block + np.arange(size)[:, None] * rows).ravel()
    return np.bincount(flat, minlength=size * rows).reshape(size, rows).astype(float)
