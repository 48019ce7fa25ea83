"""Units: ways to cut a caption that need no settings and no understanding. Whole, in sentences, in chunks of them.

Sentences end where the rules of :mod:`molmix.judges.decompose.text` end them (but not at semicolons): these
know the abbreviations of the field ("sp.", "et al.") and the brackets of its names. SummaC, MiniCheck and AlignScore as
published use NLTK's ``sent_tokenize``, whose model has to be downloaded and knows neither.

Blanks become single spaces. Nothing is dropped but sentences without a letter or digit, and from ``sentences-over-10``
what its name says; a caption without a letter or digit has no units.
"""

import re
from collections.abc import Callable
from functools import partial

from molmix.judges.decompose.text import SHOWN, clean, hide, says_something

_SENTENCE_END = re.compile(r"(?<=[.!?]) ")


def whole(caption: str) -> list[str]:
    """The caption itself."""
    text = clean(caption)
    return [text] if says_something(text) else []


def sentences(caption: str) -> list[str]:
    """Its sentences, in order, repeats and short ones included."""
    hidden = hide(clean(caption))
    split = (sentence.translate(SHOWN) for sentence in _SENTENCE_END.split(hidden))
    return [sentence for sentence in split if says_something(sentence)]


def sentences_over(caption: str, characters: int) -> list[str]:
    """Its sentences of more than so many characters, as SummaC keeps them (``SummaCImager.split_sentences``)."""
    return [sentence for sentence in sentences(caption) if len(sentence) > characters]


def packed_chunks(caption: str, words: int) -> list[str]:
    """Chunks filled with sentences up to a number of words, as MiniCheck makes them (``inference_per_example``).

    A sentence is never cut: one that is longer than a chunk is a chunk of its own.
    """
    chunks: list[list[str]] = []
    room = 0
    for sentence in sentences(caption):
        length = len(sentence.split())
        if length > room:
            chunks.append([])
            room = words
        chunks[-1].append(sentence)
        room -= length
    return [" ".join(chunk) for chunk in chunks]


def even_chunks(caption: str, words: int) -> list[str]:
    """Chunks of one number of sentences, which hold about so many words, as AlignScore makes them.

    As in its code (``inference_per_example``), the number comes from the mean: a chunk may hold more words than asked,
    and the last may be a short one.
    """
    all_sentences = sentences(caption)
    step = max(len(all_sentences) // (len(caption.split()) // words + 1), 1)
    return [" ".join(all_sentences[start : start + step]) for start in range(0, len(all_sentences), step)]


# name -> units of a caption. They are as many as the judges ask for; a name stands in file names.
UNITS: dict[str, Callable[[str], list[str]]] = {
    "whole": whole,
    "sentences": sentences,
    "sentences-over-10": partial(sentences_over, characters=10),
    "chunks-packed-400": partial(packed_chunks, words=400),
    "chunks-even-350": partial(even_chunks, words=350),
}
