"""What the words of a pair say about it, without a model.

* **Identical texts**: a text entails itself. NLI models do not always say so, above all if a text is unlike their
  training data.
* **Values**: a hypothesis with a number that its premise lacks ("three rings", "C-5", "(2-)") does not follow from it.
  Small NLI models hardly tell two numbers apart, nor two stereo descriptors.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_WORDS)}
# A number, with the sign of a charge: "2", "0.5", the "2-" of "(2-)". A word. The sign of an optical rotation: "(+)-".
_TOKEN = re.compile(r"\d+(?:\.\d+)?(?:[+-](?=\)))?|[A-Za-z]+|(?<=\()[+-](?=\))")
# IUPAC's descriptors of configuration: capitals, also after the letter of a locant ("8aR"); r and s of pseudoasymmetric
# centres; words.
_DESCRIPTOR = re.compile(r"[a-z]?([RSEZDL])|([rs]|DL|RS|SR|[+-])")
_DESCRIPTOR_WORDS = {"alpha", "beta", "gamma", "delta", "epsilon", "cis", "trans", "endo", "exo", "erythro", "threo"}


def normalise(text: str) -> str:
    """A text for comparison with others: single blanks, no full stop at its end, a small first letter."""
    text = " ".join(text.split())
    text = text[:-1].rstrip() if text.endswith(".") else text
    return text[:1].lower() + text[1:]


def numbers(text: str) -> frozenset[tuple[str, int]]:
    """The numbers of a text, each with its count: digits (in names too: locants, formulas, charges) and words to
    twelve."""
    return _counted(_TOKEN.findall(text), _number)


def numbers_and_descriptors(text: str) -> frozenset[tuple[str, int]]:
    """:func:`numbers`, and the stereo descriptors of names: R, Z, D, alpha, cis, (+)."""
    return _counted(_TOKEN.findall(text), lambda token: _number(token) or _descriptor(token))


# What of a hypothesis its premise must have too, or it is not entailed; by the judge's setting `exact`.
EXACT: dict[str, Callable[[str], frozenset[tuple[str, int]]] | None] = {
    "none": None,
    "numbers": numbers,
    "stereo": numbers_and_descriptors,
}


def identical(texts: Sequence[str], premises: np.ndarray, hypotheses: np.ndarray) -> np.ndarray:
    """Which pairs consist of the same text twice, after :func:`normalise`: bool [n].

    Args:
        texts: any texts.
        premises, hypotheses: of each pair, as indices of `texts`, int64 [n].
    """
    codes = _codes([normalise(text) for text in texts])
    return codes[premises] == codes[hypotheses]


def lacking(texts: Sequence[str], premises: np.ndarray, hypotheses: np.ndarray, exact: str) -> np.ndarray:
    """Which hypotheses have a value that their premise lacks, or has less often: bool [n].

    Args:
        texts: any texts.
        premises, hypotheses: of each pair, as indices of `texts`, int64 [n].
        exact: a key of :data:`EXACT`; with ``none``, no hypothesis lacks anything.
    """
    if (values_of := EXACT[exact]) is None:
        return np.zeros(len(premises), bool)
    values = [values_of(text) for text in texts]
    codes, distinct = _codes(values), [dict(value) for value in dict.fromkeys(values)]
    # Few texts differ in their values, so few pairs of values must be compared.
    pairs, inverse = np.unique(codes[premises] * len(distinct) + codes[hypotheses], return_inverse=True)
    found = [_lacks(distinct[premise], distinct[hypothesis]) for premise, hypothesis in _divided(pairs, len(distinct))]
    return np.array(found, bool)[inverse]


def _lacks(premise: dict[str, int], hypothesis: dict[str, int]) -> bool:
    return any(premise.get(value, 0) < count for value, count in hypothesis.items())


def _divided(pairs: np.ndarray, by: int) -> list[tuple[int, int]]:
    return [divmod(pair, by) for pair in pairs.tolist()]


def _codes(values: Sequence[Any]) -> np.ndarray:
    """Equal numbers for equal values, from 0 in the order of their first occurrence: int64 [n]."""
    known = {value: code for code, value in enumerate(dict.fromkeys(values))}
    return np.array([known[value] for value in values], np.int64)


def _counted(tokens: Sequence[str], value_of: Callable[[str], str | None]) -> frozenset[tuple[str, int]]:
    return frozenset(Counter(value for token in tokens if (value := value_of(token))).items())


def _number(token: str) -> str | None:
    return token if token[0].isdigit() else _NUMBER_WORDS.get(token.lower())


def _descriptor(token: str) -> str | None:
    if match := _DESCRIPTOR.fullmatch(token):
        return match[1] or match[2]
    return token.lower() if token.lower() in _DESCRIPTOR_WORDS else None
