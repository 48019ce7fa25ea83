"""Paired permutation tests with random sign flips (Noreen 1989; for BLEU: Riezler & Maxwell 2005).

If two systems are equal, their captions of a molecule are exchangeable. So a permutation exchanges the two captions of
each molecule with a probability of one half, and p is the share of permutations whose difference is at least as large
as the observed one. For means this is the sign-flip test of paired differences (Fisher 1935). After a permutation, the
sums of a system are its own sums, minus those of the exchanged molecules, plus the other system's sums of these
molecules. As in `molmix.analysis.bootstrap`, permutations are rows of a matrix. One matrix product is enough for all
pairs of means, whose difference is a mean of signed differences, and one per system for figures such as BLEU.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from molmix.analysis.bootstrap import mean_of_sums, row_count, weighted_sums
from molmix.metrics import Pooled

# Entries in a block of permutations × rows or sums, and permutations in a block: a column of their sums fits in a
# cache.
_BLOCK = 4_000_000
_PERMUTATIONS = 4096
# Maximum of permutations × rows, or × pairs: 20,000 permutations of 22,000 captions.
_WORK = 440_000_000
# A p with fewer exceedances than this is counted again from more permutations.
_FEW = 20

Key = TypeVar("Key", bound=Hashable)


def permutations_needed(hypotheses: int, level: float, resamples: int, rows: int, pairs: int) -> int:
    """Number of permutations that a family needs so that its smallest p can pass Holm's strictest level.

    It is four times the number for which 1 / (permutations + 1) equals that level, limited by the computing time. If
    the limit is too low to reach the level, it is the number of resamples.

    Args:
        hypotheses: number in the largest family.
        level: confidence level of the study.
        resamples: minimum number of permutations.
        rows: number of molecules.
        pairs: number of pairs to test, over all families of the sort.
    """
    bare = hypotheses / (1 - level)
    affordable = _WORK // max(rows, pairs, 1)
    return max(resamples, min(int(4 * bare), affordable)) if bare <= affordable else resamples


def p_values(
    figures: Mapping[Key, Pooled], pairs: Sequence[tuple[Key, Key]], *, permutations: int, most: int, seed: int = 0
) -> np.ndarray:
    """Two-sided p of the difference between the two figures of each pair.

    A p is (1 + exceedances) / (1 + permutations). It is never 0, and valid for any number of permutations. It is
    counted from the first ``permutations``; if these have fewer than 20 exceedances, from ``most``. This rule keeps p
    valid: let the border be the p of 20 exceedances in the first count. Below it, only p of the second count are
    possible. Above it, every p that is counted again was already below the level in the first count.

    Args:
        figures: by key, each figure as a function of sums (:func:`molmix.analysis.bootstrap.mean` for means), all of
            the same rows.
        pairs: keys of figures of one kind, whose rows can be exchanged.
        permutations: number in the first count.
        most: number in the second count.
        seed: the same rows and seed give the same permutations, for all pairs.

    Returns:
        Array (pairs,) in (0, 1]; NaN where a figure of the pair is NaN.

    Raises:
        ValueError: the figures differ in their number of rows.
    """
    keys = {key for pair in pairs for key in pair}
    parts = {id(figures[key][0]): figures[key][0] for key in keys}
    rows = row_count(list(parts.values())) if parts else 0
    if not rows:
        return np.full(len(pairs), np.nan)
    whole = {part: array.sum(axis=0) for part, array in parts.items()}
    values = {key: float(figures[key][1](whole[id(figures[key][0])])) for key in keys}
    observed = np.array([values[one] - values[other] for one, other in pairs])
    # Sums in a different order differ in their last digits. This must not break ties.
    slack = np.array([1e-9 * (abs(values[one]) + abs(values[other])) for one, other in pairs])
    bounds = np.abs(observed) - slack
    is_linear = np.array([_is_linear(figures[one], figures[other]) for one, other in pairs], dtype=bool)
    result = np.full(len(pairs), np.nan)
    going = np.flatnonzero(~np.isnan(observed))
    exceedances = np.zeros(len(pairs), dtype=int)
    for start, stop in ((0, permutations), (permutations, max(most, permutations))):
        linear, others = going[is_linear[going]], going[~is_linear[going]]
        # Where a difference is the mean of differences of rows, an exchange turns the sign of a row's difference.
        moves = np.stack([2 * _differences(figures, pairs[pair]) for pair in linear], 1) if len(linear) else None
        needed = {id(figures[key][0]): figures[key][0] for pair in others for key in pairs[pair]}
        width = len(linear) + sum(array.shape[1] for array in needed.values())
        for drawn in _permutations(rows, width, stop - start if len(going) else 0, [seed, start]):
            if moves is not None:
                exceedances[linear] += np.sum(np.abs(observed[linear] - drawn @ moves) >= bounds[linear], axis=0)
            for block in weighted_sums(needed, [drawn]) if needed else ():
                for pair in others:
                    (one, value_of_one), (other, value_of_other) = (figures[key] for key in pairs[int(pair)])
                    moved = block[id(other)] - block[id(one)]
                    difference = value_of_one(whole[id(one)] + moved) - value_of_other(whole[id(other)] - moved)
                    # An undefined difference (NaN) counts as an exceedance.
                    exceedances[pair] += np.sum(~(np.abs(difference) < bounds[pair]))
        result[going] = (1 + exceedances[going]) / (1 + stop)
        going = going[exceedances[going] < _FEW]
    return result


def _is_linear(one: Pooled, other: Pooled) -> bool:
    """Whether both figures are means over the same rows."""
    both_means = one[1] is other[1] is mean_of_sums
    return both_means and bool(np.array_equal(one[0][:, 1], other[0][:, 1]))


def _differences(figures: Mapping[Key, Pooled], pair: tuple[Key, Key]) -> np.ndarray:
    """The part of each row in the difference of two means: array (rows,)."""
    one, other = (figures[key][0] for key in pair)
    return (one[:, 0] - other[:, 0]) / one[:, 1].sum()


def _permutations(rows: int, width: int, number: int, seed: Sequence[int]) -> Iterator[np.ndarray]:
    """Blocks, arrays (some permutations, rows): 1 if a molecule's captions are exchanged; 64 per random number."""
    generator = np.random.default_rng(seed)
    step = max(1, min(_PERMUTATIONS, _BLOCK // max(rows, width)))
    for start in range(0, number, step):
        bits = generator.integers(0, 2**64, size=(min(step, number - start), -(-rows // 64)), dtype=np.uint64)
        yield np.unpackbits(bits.view(np.uint8), axis=1, count=rows).astype(float)
