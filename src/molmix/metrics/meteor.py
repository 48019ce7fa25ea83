"""METEOR (Lavie & Agarwal 2007), equal to NLTK 3.10's ``meteor_score`` with its default weights.

Alignment is greedy, in NLTK's order: equal words, then equal Porter stems, then WordNet synonyms *of the stems* (a
peculiarity of NLTK that the published figures include). NLTK is slow because it computes stems and synonyms for each
caption. Here they are computed once per word.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import itemgetter
from pathlib import Path

from molmix.core.porter import porter_stem
from molmix.metrics.wordnet import VERSION, load_wordnet

ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5

Positions = dict[str, list[int]]
_stem = cache(porter_stem())
_last = itemgetter(-1)


def meteor_name(wordnet: Path | None) -> str:
    """Name of METEOR in tables. Without WordNet it is a simpler measure, with higher or lower values."""
    return f"meteor (WordNet {VERSION})" if wordnet else "meteor (exact+stem)"


def meteor_scorer(wordnet: Path | None) -> Callable[[Sequence[Sequence[str]], Sequence[str]], float]:
    """A function that scores one caption against one or more references, all as tokens.

    It returns the best METEOR over the references, in [0, 1]; 0 if nothing matches or a side is empty.

    Args:
        wordnet: folder of a WordNet 3.0 database (:class:`molmix.metrics.wordnet.WordNet`); without one,
            only the exact and the stem module align (METEOR's modules are optional by design).
    """
    synonyms = load_wordnet(wordnet).synonyms if wordnet else None

    def score(references: Sequence[Sequence[str]], hypothesis: Sequence[str]) -> float:
        words = [word.lower() for word in hypothesis]
        return max(_meteor([word.lower() for word in reference], words, synonyms) for reference in references)

    return score


def _meteor(reference: list[str], hypothesis: list[str], synonyms: Callable[[str], frozenset[str]] | None) -> float:
    links: dict[int, int] = {}
    left, free = _link_equal(enumerate(hypothesis), enumerate(reference), links)
    if left and free:
        stems = ((j, _stem(word)) for word, positions in free.items() for j in positions)
        left, free = _link_equal([(i, _stem(word)) for i, word in left], sorted(stems), links)
        if synonyms:
            _link_synonyms(left, free, synonyms, links)
    matched = len(links)
    if not matched:
        return 0.0
    precision, recall = matched / len(hypothesis), matched / len(reference)
    mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    # A chunk is a sequence of words that both sides contain in the same order and without a gap.
    chunks = sum(links.get(i - 1, -2) != j - 1 for i, j in links.items())
    return (1 - GAMMA * (chunks / matched) ** BETA) * mean


def _link_equal(
    hypothesis: Iterable[tuple[int, str]], reference: Iterable[tuple[int, str]], links: dict[int, int]
) -> tuple[list[tuple[int, str]], Positions]:
    """Link each word, from the last to the first, to the last free equal word. Return the free words of both."""
    free: Positions = {}
    for j, word in reference:
        free.setdefault(word, []).append(j)
    left = []
    for i, word in reversed(list(hypothesis)):
        positions = free.get(word)
        if positions:
            links[i] = positions.pop()
        else:
            left.append((i, word))
    return left[::-1], {word: positions for word, positions in free.items() if positions}


def _link_synonyms(
    left: list[tuple[int, str]],
    free: Positions,
    synonyms: Callable[[str], frozenset[str]],
    links: dict[int, int],
) -> None:
    """Link each word, from the last to the first, to its last free synonym."""
    for i, word in reversed(left):
        positions = max((free[other] for other in synonyms(word).intersection(free)), key=_last, default=None)
        if positions:
            links[i] = positions.pop()
            free = {other: positions for other, positions in free.items() if positions}
