"""Units: simple ways to cut a caption without settings: the whole text, sentences, chunks of sentences, or names.

Sentences end by the rules of :mod:`molmix.judges.decompose.text` (but not at semicolons). These rules know the
abbreviations of the field ("sp.", "et al."), the brackets in its names, and the full stops of other scripts. The
published SummaC, MiniCheck and AlignScore use NLTK's ``sent_tokenize``, whose model must be downloaded and knows none
of them.

Blanks become single spaces. Sentences without a letter or digit are dropped; ``sentences-over-10`` also drops sentences
of up to 10 characters. A caption without a letter or digit has no units.
"""

import re
from collections.abc import Callable
from functools import partial

from molmix.judges.decompose.chemical_names import chemical_names
from molmix.judges.decompose.text import OTHER_SENTENCE_END, SHOWN, clean, hide, says_something

_SENTENCE_END = re.compile(rf"(?<=[.!?]) |{OTHER_SENTENCE_END}")


def whole(caption: str) -> list[str]:
    """The caption itself."""
    text = clean(caption)
    return [text] if says_something(text) else []


def sentences(caption: str) -> list[str]:
    """Its sentences, in order, including repeats and short ones."""
    hidden = hide(clean(caption))
    split = (sentence.translate(SHOWN) for sentence in _SENTENCE_END.split(hidden))
    return [sentence for sentence in split if says_something(sentence)]


def sentences_over(caption: str, characters: int) -> list[str]:
    """Its sentences of more than ``characters`` characters, as in SummaC (``SummaCImager.split_sentences``)."""
    return [sentence for sentence in sentences(caption) if len(sentence) > characters]


def packed_chunks(caption: str, words: int) -> list[str]:
    """Chunks filled with sentences up to a number of words, as in MiniCheck (``inference_per_example``).

    A sentence is never cut: a sentence longer than a chunk is its own chunk.
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
    """Chunks with the same number of sentences and about ``words`` words, as in AlignScore.

    As in its code (``inference_per_example``), the number of sentences comes from their mean length: a chunk may have
    more words than ``words``, and the last chunk may be shorter.
    """
    all_sentences = sentences(caption)
    step = max(len(all_sentences) // (len(caption.split()) // words + 1), 1)
    return [" ".join(all_sentences[start : start + step]) for start in range(0, len(all_sentences), step)]


# name -> units of a caption. All units of the judges are listed; names are used in file names.
UNITS: dict[str, Callable[[str], list[str]]] = {
    "whole": whole,
    "sentences": sentences,
    "sentences-over-10": partial(sentences_over, characters=10),
    "chunks-packed-400": partial(packed_chunks, words=400),
    "chunks-even-350": partial(even_chunks, words=350),
    "entities": chemical_names,
}
