"""Rank statistics of weighted rows, for all resamples at once.

A resample of molecules weights each row by the number of draws of its molecule. The rows are sorted once, and the
weights are summed in that order, which is linear in the number of rows. So thousands of resamples of a rank statistic
are a few passes over one array.
"""

from collections.abc import Sequence

import numpy as np

from molmix.analysis.bootstrap import resampled_rows
from molmix.metrics.aggregate import ratio


def weights_of(molecules: int, resamples: int, seed: int) -> np.ndarray:
    """Number of draws of each molecule: array (1 + resamples, molecules). The first row is the sample itself."""
    drawn = [
        np.apply_along_axis(np.bincount, 1, block, minlength=molecules)
        for block in resampled_rows(molecules, resamples, seed)
    ]
    return np.concatenate([np.ones((1, molecules)), *drawn])


def auroc(higher: np.ndarray, lower: np.ndarray, of_higher: np.ndarray, of_lower: np.ndarray) -> np.ndarray:
    """Probability that a value of the first kind exceeds one of the second; ties count half (Mann & Whitney 1947).

    Args:
        higher: values (n,) expected to be higher.
        lower: values (m,) expected to be lower.
        of_higher: weights (resamples, n).
        of_lower: weights (resamples, m).

    Returns:
        Array (resamples,) in [0, 1], NaN if one kind has no weight.
    """
    beneath = _beneath(lower, of_lower, higher)
    total = of_higher.sum(axis=1) * of_lower.sum(axis=1)
    return ratio(np.einsum("ij,ij->i", beneath, of_higher), total)


def spearman(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation; tied values get their mean rank.

    Args:
        one: values (n,).
        other: values (n,).
        weights: array (resamples, n); a row of weight 2 counts as two equal rows.

    Returns:
        Array (resamples,) in [-1, 1], NaN if a value does not vary.
    """
    middle = weights.sum(axis=1, keepdims=True) / 2  # the mean of midranks, counted from 0
    first, second = (_beneath(values, weights, values) - middle for values in (one, other))
    together = np.einsum("ij,ij,ij->i", first, second, weights)
    spread = [np.einsum("ij,ij,ij->i", ranks, ranks, weights) for ranks in (first, second)]
    return ratio(together, np.sqrt(spread[0] * spread[1]))


def kendall(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kendall's tau-b between two scores of the same items: from arrays (resamples, n), an array (resamples,)."""
    row, column = np.triu_indices(one.shape[1], k=1)
    first, second = (np.sign(values[:, row] - values[:, column]) for values in (one, other))
    return ratio((first * second).sum(axis=1), np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row of two arrays (resamples, systems); NaN for a row with NaN or equal values."""
    from scipy.stats import rankdata

    first, second = (rankdata(scores, axis=1, nan_policy="propagate") for scores in (one, other))
    first, second = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (first, second))
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return shares(np.stack([(first * second).sum(axis=1), spread], axis=-1))


def shares(sums: np.ndarray) -> np.ndarray:
    """The first of two columns of sums (..., 2) divided by the second; NaN where that is 0."""
    return ratio(sums[..., 0], sums[..., 1])


def sums_by(owner: np.ndarray, molecules: int, *columns: Sequence[float] | np.ndarray) -> np.ndarray:
    """Sums of columns (n,) over the rows of each molecule: array (molecules, columns)."""
    return np.stack([np.bincount(owner, weights=column, minlength=molecules) for column in columns], axis=1)


def _beneath(values: np.ndarray, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weight of the values below each value of `at`, plus half the weight of equal values: array (resamples, at)."""
    order = np.argsort(values, kind="stable")
    summed = np.zeros((len(weights), len(values) + 1))
    np.cumsum(weights[:, order], axis=1, out=summed[:, 1:])
    below, upto = (np.searchsorted(values[order], at, side) for side in ("left", "right"))
    return (summed[:, below] + summed[:, upto]) / 2
