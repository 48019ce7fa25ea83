"""ROUGE-1, -2 and -L (Lin 2004), F-measure, equal to ``rouge_score`` 0.1.2 without stemming."""

import re
from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

from molmix.metrics.bleu import ngrams, overlap

_WORD = re.compile(r"[a-z0-9]+")


def rouge_words(text: str) -> list[str]:
    """ROUGE's own tokens: the sequences of ASCII letters and digits in the lower-cased text."""
    return _WORD.findall(text.lower())


def rouge_scores(references: Sequence[Sequence[str]], prediction: Sequence[str]) -> list[float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of one caption, each the best over the references.

    Args:
        references: the words (:func:`rouge_words`) of one or more references.
        prediction: the words of the prediction.

    Returns:
        Three F-measures in [0, 1]; 0 if a side has no n-gram.
    """
    return [max(score) for score in zip(*(_against(words, prediction) for words in references), strict=True)]


def _against(reference: Sequence[str], prediction: Sequence[str]) -> tuple[float, float, float]:
    size, other = len(reference), len(prediction)
    return (
        _f_measure(overlap(ngrams(prediction, 1), ngrams(reference, 1)), other, size),
        _f_measure(overlap(ngrams(prediction, 2), ngrams(reference, 2)), other - 1, size - 1),
        # Bit-parallel; rouge_score fills a table of size × other cells in Python.
        _f_measure(LCSseq.similarity(reference, prediction), other, size),
    )


def _f_measure(matched: int, predicted: int, wanted: int) -> float:
    """The harmonic mean of matched/predicted and matched/wanted."""
    return 2 * matched / (predicted + wanted) if matched else 0.0
