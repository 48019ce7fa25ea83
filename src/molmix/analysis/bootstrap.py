"""Percentile bootstrap intervals (Efron & Tibshirani 1993, ch. 13) over rows, which are molecules.

Every resampled figure is a function of column sums: a mean is a sum divided by a count, a corpus BLEU is a formula of
summed n-gram counts. A resample is a vector with the number of draws of each row. So thousands of resamples of hundreds
of columns are a few matrix products.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from molmix.metrics import Pooled
from molmix.metrics.aggregate import ratio

# Entries in a block of resamples × rows: 32 MB for each of the few such arrays in memory at once.
_BLOCK = 4_000_000

_FIGURES = 1000  # figures whose resamples are sorted at once

Key = TypeVar("Key", bound=Hashable)
Array = Any  # array (rows, k): of numpy, or sparse ones of scipy where most entries are 0


@dataclass(frozen=True)
class Interval:
    """A figure, its interval, and the number of rows with a value.

    All three figures are NaN if no row has a value; both ends are NaN if only one row has a value.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Replicates:
    """A figure, and its value in each resample: array (resamples,).

    Two objects from one call, or from calls with the same rows and seed, share their resamples.
    """

    value: float
    draws: np.ndarray
    n: int

    def interval(self, level: float = 0.95) -> Interval:
        """The percentile interval. Resamples without a value of the figure are left out.

        A single row has no interval: all its resamples are equal.
        """
        low, high = quantiles(self.draws[:, None], level)[:, 0] if self.n > 1 else (np.nan, np.nan)
        return Interval(self.value, float(low), float(high), self.n)

    def minus(self, other: "Replicates") -> "Replicates":
        """The difference of two figures over the same resamples, which gives a paired interval."""
        return Replicates(self.value - other.value, self.draws - other.draws, min(self.n, other.n))


def quantiles(draws: np.ndarray, level: float) -> np.ndarray:
    """Both ends of the percentile intervals of many figures.

    Args:
        draws: their values in each resample (resamples, figures). NaN are left out.
        level: of the intervals.

    Returns:
        Array (2, figures); NaN for a figure without a value.
    """
    ends = np.full((2, draws.shape[1]), np.nan)
    tails = [(1 - level) / 2, (1 + level) / 2]
    undefined = np.isnan(draws).any(axis=0)
    if len(draws):
        ends[:, ~undefined] = np.quantile(draws[:, ~undefined], tails, axis=0)
    for figure in np.flatnonzero(undefined):
        held = draws[~np.isnan(draws[:, figure]), figure]
        if len(held):
            ends[:, figure] = np.quantile(held, tails)
    return ends


def intervals(figures: Sequence[Replicates], level: float) -> list[Interval]:
    """As :meth:`Replicates.interval`, of many figures with the same number of resamples at once."""
    made: list[Interval] = []
    for start in range(0, len(figures), _FIGURES):
        some = figures[start : start + _FIGURES]
        low, high = quantiles(np.stack([figure.draws for figure in some], axis=1), level)
        made += [
            Interval(figure.value, *((float(low[i]), float(high[i])) if figure.n > 1 else (np.nan, np.nan)), figure.n)
            for i, figure in enumerate(some)
        ]
    return made


def resampled_rows(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """The rows of each resample, drawn with replacement.

    Yields:
        Blocks, arrays (some resamples, rows) of row numbers, in total ``resamples`` resamples. The size of blocks
        does not change the draws.
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
    """Resample the rows of a test set, with the same resamples for every column and every pooled figure.

    Args:
        columns: arrays (rows,), whose figures are their means over the rows that are not NaN. Pass all systems of a
            test set at once, with keys such as ``(system, metric)``: that is fast, and makes differences paired.
        pooled: figures that are not means, such as :func:`molmix.metrics.bleu.pooled_bleu`.
        resamples: number of resamples.
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
    # An array that several figures use is resampled once.
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
    """Number of rows of the arrays.

    Raises:
        ValueError: they differ in length.
    """
    sizes = {array.shape[0] for array in arrays}
    if len(sizes) > 1:
        raise ValueError(f"arrays differ in length: {sorted(sizes)}")
    return sizes.pop()


def weighted_sums(parts: Mapping[Key, Array], weights: Iterable[np.ndarray]) -> Iterator[dict[Key, np.ndarray]]:
    """Column sums of each array for each weighting of its rows, for dense arrays in one matrix product.

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
            # Column-major in memory, because each figure uses a few columns.
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
        level: share of the resampled figures inside the interval, with equal tails on both sides.
    """
    replicates = replicate(columns, pooled, resamples=resamples, seed=seed)
    return {key: figure.interval(level) for key, figure in replicates.items()}


def value_of(figure: Pooled) -> float:
    """A figure over all rows; NaN without rows."""
    array, value = figure
    return float(value(array.sum(axis=0))) if array.shape[0] else np.nan


def mean(column: np.ndarray) -> Pooled:
    """The mean of an array (rows,) over the rows that are not NaN, as a function of sums."""
    column = np.asarray(column, dtype=float)
    held = ~np.isnan(column)
    return np.column_stack([np.where(held, column, 0.0), held]), mean_of_sums


def mean_of_sums(sums: np.ndarray) -> np.ndarray:
    """The means (…) of a sum and a count (…, 2); NaN where the count is 0."""
    return ratio(sums[..., 0], sums[..., 1])


def _counts(block: np.ndarray) -> np.ndarray:
    """How often each row was drawn: array (resamples, rows), float64 for the matrix product."""
    size, rows = block.shape
    flat = (block + np.arange(size)[:, None] * rows).ravel()
    return np.bincount(flat, minlength=size * rows).reshape(size, rows).astype(float)
