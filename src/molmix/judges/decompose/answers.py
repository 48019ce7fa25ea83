"""Read atoms from the answer of a language model, or give the reason why the answer cannot be used.

The parser accepts text around the list (a code fence, prose, an object that contains it). But the content must be a
JSON list of strings. Each string must state something, and nothing that its caption does not state. Answers to the
prompt of a published metric are read as in that metric.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache, lru_cache
from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from molmix.core.porter import porter_stem
from molmix.judges.decompose.text import clean, says_something, sentence
from molmix.models.asking import Answer

REASONS = {
    "prompt_too_long": "the caption, or it and the longest answer, do not fit the model's context",
    "refused": "the server withheld the answer (its content filter)",
    "cut": "the answer was cut at `max_new_tokens`, or where the context ends",
    "empty": "the answer says nothing",
    "no_list": "the answer holds no list, half of one, or several",
    "no_statements": "the list is empty, or holds something other than statements",
    "foreign": "a statement has a word that its caption has not",
}
_BY_FINISH = {"prompt_too_long": "prompt_too_long", "content_filter": "refused", "length": "cut"}

_STATEMENTS = TypeAdapter(
    Annotated[
        list[Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]], Field(min_length=1)
    ]
)

# Words that an atom may add to its caption: they repeat the subject and a list's verb for each item. Negations, "or",
# "may" and "only" are not allowed: they would change the statement.
_FREE = re.compile(
    r"(?:an?|the|this|that|these|those|its?|is|are|was|were|be|been|being|has|have|had|having|do|does|and|as|of|in|on|at"
    r"|to|for|from|by|with|which|molecules?|compounds?|role|s)"  # the last of "the molecule's"
)
# Scripts without spaces between words (Thai, Lao, Burmese, Khmer, kana, Han) are compared character by character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_NUMBERED = re.compile(r"\d+\.\s(.*)")


class Unusable(Exception):
    """An answer cannot be used; ``reason`` is a key of :data:`REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


def read_atoms(answer: Answer, caption: str) -> list[str]:
    """Atoms of an answer: sentences with a full stop, each once, in order.

    Args:
        answer: of the model.
        caption: the caption of the prompt.

    Raises:
        Unusable: see :data:`REASONS`.
    """
    text = _text_of(answer)
    try:
        statements = _STATEMENTS.validate_python(_the_list(text))
    except ValidationError:
        raise Unusable("no_statements") from None
    if not all(map(says_something, statements)):
        raise Unusable("no_statements")
    atoms = list(dict.fromkeys(sentence(clean(statement)) for statement in statements))
    said = _stems(caption)
    for words in map(_stems, atoms):
        # An atom of free words only ("The molecule is a compound.") is allowed only if the caption has all its words.
        if not ({word for word in words if not _FREE.fullmatch(word)} or words) <= said:
            raise Unusable("foreign")
    return atoms


def read_numbered_lines(answer: Answer, caption: str) -> list[str]:
    """Atoms of an answer to the prompt `cross_nli`, read as in that package: the text after a number, a dot and a
    blank, to the end of the line. Repeats stay, and atoms are not compared with the caption.

    Args:
        answer: of the model.
        caption: the caption of the prompt.

    Raises:
        Unusable: see :data:`REASONS`. The package divides by zero if there is no atom.
    """
    atoms = [atom for atom in map(clean, _NUMBERED.findall(_text_of(answer))) if says_something(atom)]
    if not atoms:
        raise Unusable("no_list")
    return atoms


def _text_of(answer: Answer) -> str:
    """The text of an answer, without the thoughts of a reasoning model."""
    if reason := _BY_FINISH.get(answer["finish"]):
        raise Unusable(reason)
    text = answer["text"].rpartition("</think>")[2]
    if not text.strip():
        raise Unusable("empty")
    return text


def _the_list(text: str) -> list[object]:
    """The one JSON list in a text. Lists without strings ("[1]") are ignored as prose."""
    found: list[list[object]] = []
    decoder, start = json.JSONDecoder(), text.find("[")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except RecursionError:
            break
        except ValueError:
            end = start + 1
        else:
            if not value or any(isinstance(item, str) for item in value):
                found.append(value)
        start = text.find("[", end)
    if len(found) != 1:
        raise Unusable("no_list")
    return found[0]


def _stems(text: str) -> set[str]:
    """Stems of the words of a text, without their case and form."""
    return {_stem(word) for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())}


@lru_cache(maxsize=200_000)
def _stem(word: str) -> str:
    # Free words are not stemmed: the stems of "the" and "has" are not words.
    return word if _FREE.fullmatch(word) else _porter_stem()(word)


_porter_stem = cache(porter_stem)
