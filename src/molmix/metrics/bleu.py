"""BLEU (Papineni et al. 2002), equal to NLTK's unsmoothed ``corpus_bleu``, from counts that can be added.

A corpus BLEU is not a mean of caption scores, but a function of sums over captions. So each caption keeps its counts,
and the BLEU of any set of captions (a subset, a bootstrap resample) follows from one sum.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial, reduce
from operator import or_

import numpy as np

ORDERS = (1, 2, 3, 4)
COUNT_COLUMNS = (
    *(f"bleu_match_{n}" for n in ORDERS),
    *(f"bleu_total_{n}" for n in ORDERS),
    "bleu_hyp_len",
    "bleu_ref_len",
)


def ngrams(tokens: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    """Number of occurrences of each n-gram."""
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))


def overlap(counts: Counter[tuple[Hashable, ...]], limits: Counter[tuple[Hashable, ...]]) -> int:
    """How many n-grams of ``counts`` also occur in ``limits``, each at most as often as there."""
    total = 0
    for ngram, count in counts.items():  # a simple loop, which takes most time of every n-gram score
        limit = limits.get(ngram)
        if limit:
            total += min(count, limit)
    return total


def bleu_counts(references: Sequence[Sequence[Hashable]], hypothesis: Sequence[Hashable]) -> list[int]:
    """One caption's counts, in the order of :data:`COUNT_COLUMNS`.

    Args:
        references: the tokens of one or more references.
        hypothesis: the tokens of the prediction.

    Returns:
        Matched n-grams (clipped at the reference with most of them), then n-grams of the hypothesis, each for n = 1
        to 4; tokens of the hypothesis; tokens of the reference nearest in length (the shorter of two equally near).
        A total is 1 if the hypothesis is too short for any n-gram: NLTK counts so, and so do the published figures.
    """
    length = len(hypothesis)
    matches = [
        overlap(ngrams(hypothesis, n), reduce(or_, (ngrams(reference, n) for reference in references))) for n in ORDERS
    ]
    totals = [max(length - n + 1, 1) for n in ORDERS]
    nearest = min(map(len, references), key=lambda size: (abs(size - length), size))
    return [*matches, *totals, length, nearest]


def corpus_bleu(counts: np.ndarray, n: int) -> np.ndarray:
    """BLEU over n-grams of 1 to ``n`` tokens, equally weighted, without smoothing.

    Args:
        counts: array (…, 10), columns as :data:`COUNT_COLUMNS`, each entry summed over the captions that are
            scored together. One caption's own row gives its sentence BLEU.
        n: longest n-gram, 1 to 4.

    Returns:
        Array (…) of values in [0, 1]: 0 if some order has no match (NLTK then gives less than 1e-76).
    """
    counts = np.asarray(counts, dtype=float)
    matches, totals = counts[..., :n], counts[..., len(ORDERS) : len(ORDERS) + n]
    hypothesis, reference = counts[..., -2], counts[..., -1]
    some = np.asarray((matches > 0).all(axis=-1))
    # Entries without a match or without n-grams are computed with ones, and set to 0 afterwards.
    logs = np.log(np.where(some[..., None], matches, 1) / np.where(some[..., None], totals, 1))
    brevity = np.minimum(0.0, 1 - reference / np.where(some, hypothesis, 1))
    return np.where(some, np.exp(brevity + logs.mean(axis=-1)), 0.0)


def pooled_bleu(counts: np.ndarray) -> dict[str, tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]]:
    """Corpus BLEU-2 and BLEU-4 in the form that :func:`molmix.analysis.bootstrap.bootstrap` resamples.

    Args:
        counts: array (captions, 10), columns as :data:`COUNT_COLUMNS`.
    """
    return {f"bleu{n}": (counts, partial(corpus_bleu, n=n)) for n in (2, 4)}
