"""Paired tests by approximate randomisation (Noreen 1989; of BLEU: Riezler & Maxwell 2005).

Were two systems equal, it would not matter which of them wrote which of a molecule's two captions. So both captions
of a molecule change sides by the toss of a coin, and p is the share of tosses whose difference is at least as large as
the one that was seen. For means this is the sign-flip test of paired differences (Fisher 1935). The sums of a swapped
system are its own, less those of the molecules that changed sides, plus the other's there: as in
`molmix.analysis.bootstrap`, tosses are rows of a matrix, and every pair of systems follows from one product a system.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from molmix.analysis.bootstrap import row_count, weighted_sums
from molmix.metrics import Pooled

# Entries in a block of tosses × rows or sums, and tosses in it: a column of their sums fits into a core's cache.
_BLOCK = 4_000_000
_TOSSES = 4096
# Tosses × rows, or × pairs, at most: 20,000 tosses of 22,000 captions.
_WORK = 440_000_000
# A p counted from fewer exceedances than this is counted again from more tosses.
_FEW = 20

Key = TypeVar("Key", bound=Hashable)


def tosses_needed(hypotheses: int, level: float, resamples: int, rows: int, pairs: int) -> int:
    """How many tosses let Holm's strictest p of a family be told apart from the smallest p that can be seen.

    Four times as many as make 1 / (tosses + 1) equal to that strictest p, or as many as there is time for. Where these
    could not show it either, none beyond the resamples.

    Args:
        hypotheses: in the largest family.
        level: confidence level of the study.
        resamples: tosses at least.
        rows: molecules.
        pairs: to be tested, over all families of the sort.
    """
    bare = hypotheses / (1 - level)
    affordable = _WORK // max(rows, pairs, 1)
    return max(resamples, min(int(4 * bare), affordable)) if bare <= affordable else resamples


def p_values(
    figures: Mapping[Key, Pooled], pairs: Sequence[tuple[Key, Key]], *, tosses: int, most: int, seed: int = 0
) -> np.ndarray:
    """Two-sided p of the difference between the two figures of each pair.

    A p is (1 + exceedances) / (1 + tosses): never 0, and valid for any number of tosses. It is counted from the first
    ``tosses``; where these hold fewer than 20 exceedances, from ``most``. To go on only then keeps it valid: at levels
    below the border only p of the second count can be reached, at levels above it every p that is counted again was
    reached by the first already.

    Args:
        figures: by key, what each figure is made of (:func:`molmix.analysis.bootstrap.mean` for means); of the same
            rows.
        pairs: keys of figures of one kind, whose rows can be swapped.
        tosses: of the first count.
        most: of the second.
        seed: the same rows and seed give the same tosses, for all pairs alike.

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
    width = sum(array.shape[1] for array in parts.values())
    whole = {key: array.sum(axis=0) for key, array in parts.items()}
    values = {key: float(figures[key][1](whole[id(figures[key][0])])) for key in keys}
    seen = np.array([values[one] - values[other] for one, other in pairs])
    # Sums in another order differ in their last digits, which must not break ties.
    slack = np.array([1e-9 * (abs(values[one]) + abs(values[other])) for one, other in pairs])
    result = np.full(len(pairs), np.nan)
    going = np.flatnonzero(~np.isnan(seen))
    exceedances = np.zeros(len(pairs), dtype=int)
    for start, stop in ((0, tosses), (tosses, max(most, tosses))):
        for block in weighted_sums(parts, _tosses(rows, width, stop - start, [seed, start])) if len(going) else ():
            for place in going:
                (mine, of_mine), (yours, of_yours) = (figures[key] for key in pairs[int(place)])
                moved = block[id(yours)] - block[id(mine)]
                difference = of_mine(whole[id(mine)] + moved) - of_yours(whole[id(yours)] - moved)
                # What cannot be told (NaN) speaks for chance.
                exceedances[place] += np.sum(~(np.abs(difference) < abs(seen[place]) - slack[place]))
        result[going] = (1 + exceedances[going]) / (1 + stop)
        going = going[exceedances[going] < _FEW]
    return result


def _tosses(rows: int, width: int, tosses: int, seed: Sequence[int]) -> Iterator[np.ndarray]:
    """Blocks, arrays (some tosses, rows): 1 where a molecule's captions change sides. 64 coins a random number."""
    generator = np.random.default_rng(seed)
    step = max(1, min(_TOSSES, _BLOCK // max(rows, width)))
    for start in range(0, tosses, step):
        coins = generator.integers(0, 2**64, size=(min(step, tosses - start), -(-rows // 64)), dtype=np.uint64)
        yield np.unpackbits(coins.view(np.uint8), axis=1, count=rows).astype(float)
