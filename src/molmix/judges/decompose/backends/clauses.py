"""Decomposition of prose on any subject: sentences, cut where a statement with its own subject begins.

The rules for captions of molecules use known verbs and lists, and replace pronouns by "the molecule". This backend
knows no subject: "The sky is clear and the wind is calm." is two atoms, "It is cold and wet." is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from molmix.judges.decompose.backends._decomposer import DecomposerSettings
from molmix.judges.decompose.text import sentence
from molmix.judges.decompose.units import sentences

_JOINT = re.compile(r"(?:;|,? (?:and|but|while)) +(?=(?:the|there|this|these|it|its|they|their) )", re.I)
_SCOPE = re.compile(r"\b(?:that|whether|if|unless|neither|doubt|deny|denies)\b", re.I)


class ClausesSettings(DecomposerSettings):
    """Sentences and their clauses, of prose about anything: no model, the same atoms everywhere."""

    backend: Literal["clauses"]

    def atoms(self, caption: str) -> list[str]:
        """Atoms of one caption."""
        return _atoms(caption)


def decompose(captions: Sequence[str]) -> list[list[str]]:
    """Atoms of each caption; see :class:`molmix.judges.decompose.Decomposed`."""
    return [_atoms(caption) for caption in captions]


def _atoms(caption: str) -> list[str]:
    clauses = (clause.strip() for text in sentences(caption) for clause in _clauses(text))
    return list(dict.fromkeys(sentence(clause[0].upper() + clause[1:]) for clause in clauses if clause))


def _clauses(text: str) -> list[str]:
    """Clauses of a sentence; the whole sentence if "not true that", "if" and similar can apply to all of them."""
    first = _JOINT.search(text)
    return [text] if first and _SCOPE.search(text, 0, first.start()) else _JOINT.split(text)
