"""Shared code of planted errors: their type, the interface to edits of statements, and draws of statements."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from molmix.analysis.judge_validation.document import Document, Sentence, Statement, changed
from molmix.judges.structure import Structure

HARMFUL, HARMLESS, CONTROL = "harmful", "harmless", "control"


@dataclass(frozen=True)
class Replacement:
    """A part of a statement's item, as its first and one past its last character, and what is written instead."""

    start: int
    end: int
    new: str


# The possible replacements in a statement about a molecule. Its structure is None if it is not known.
Finder = Callable[[Statement, Structure | None], Iterable[Replacement]]


class Ground(Protocol):
    """Edits of the statements of one caption; None if an edit is not possible."""

    def is_understood(self, sentence: Sentence) -> bool:
        """Whether its statements can be edited and it does not depend on the sentence before."""

    def is_stated(self, one: Statement) -> bool:
        """Whether the reference states it. Only then it is an error to change it or to leave it out."""

    def foreign(self, rng: Random) -> Iterator[Statement]:
        """Statements about other molecules that are errors here."""

    def replaced(self, one: Statement, find: Finder, rng: Random) -> Statement | None:
        """The statement with one part replaced, so that no reference says what it says then.

        For errors as experts find them in real captions. None if the facts are known: such captions have other errors.
        """

    def renumbered(self, one: Statement, rng: Random) -> Statement | None:
        """The statement with another number."""

    def reclassed(self, one: Statement, rng: Random) -> Statement | None:
        """The statement with a class that excludes its own."""

    def negated(self, one: Statement, rng: Random) -> Statement | None:
        """The denial of the statement."""

    def reworded(self, one: Statement, rng: Random) -> Statement | None:
        """The same statement in other words."""


# Makes k edits of a document, with its ground and a random generator; None if fewer are possible
Make = Callable[[Document, int, Ground, Random], Document | None]


@dataclass(frozen=True)
class Edit:
    """One sort of edit.

    Attributes:
        name: its name in tables.
        kind: its effect on the quality of a caption: one of the three above.
        make: see :data:`Make`.
        position: of its column among those of its kind.
    """

    name: str
    kind: str
    make: Make
    position: int = 100


def edit_each(alter: Callable[[Ground, Statement, Random], Statement | None]) -> Make:
    """Change k statements, each separately, and none into another statement of the caption, old or changed."""

    def make(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
        said = set(statements_of(document))
        changes: dict[Statement, Statement | None] = {}
        for one in drawn_statements(document, ground, rng):
            other = alter(ground, one, rng)
            if other and other not in said:
                said.add(other)
                changes[one] = other
            if len(changes) == k:
                return changed(document, changes)
        return None

    return make


def replace_each(find: Finder) -> Make:
    """Replace a part of k statements."""
    return edit_each(lambda ground, one, rng: ground.replaced(one, find, rng))


def exchanged(words: Sequence[Collection[str]], before: str = r"\b", after: str = r"\b") -> Finder:
    """Replace a word by another one of its group.

    Args:
        words: groups of words that exclude each other.
        before, after: patterns of what stands around the word.
    """
    group_of = {word: group for group in words for word in group}
    longest = sorted(group_of, key=len, reverse=True)
    pattern = re.compile(f"{before}({'|'.join(map(re.escape, longest))}){after}")

    def find(one: Statement, structure: Structure | None) -> Iterator[Replacement]:
        for match in pattern.finditer(one.item):
            yield from (Replacement(*match.span(1), other) for other in group_of[match[1]] if other != match[1])

    return find


def statements_of(document: Document) -> list[Statement]:
    """The distinct statements of a document: some captions repeat a statement."""
    return list(dict.fromkeys(one for sentence in document for one in sentence.statements))


def new_statements(document: Document, ground: Ground, rng: Random) -> list[Statement]:
    """Distinct foreign statements that are not in the document."""
    said = set(statements_of(document))
    return [one for one in dict.fromkeys(ground.foreign(rng)) if one not in said]


def editable_sentences(document: Document, ground: Ground) -> list[int]:
    """Indices of editable sentences: understood, and the next is understood too, so that it does not depend on them."""
    understood = [ground.is_understood(sentence) for sentence in document] + [True]
    return [row for row in range(len(document)) if understood[row] and understood[row + 1]]


def drawn_statements(document: Document, ground: Ground, rng: Random) -> list[Statement]:
    """The statements that the reference states and that can be edited at every occurrence, in random order."""
    free = set(editable_sentences(document, ground))
    bound = {one for row, sentence in enumerate(document) if row not in free for one in sentence.statements}
    found = [one for one in statements_of(document) if one not in bound and ground.is_stated(one)]
    return rng.sample(found, len(found))


def inserted(document: Document, statements: list[Statement], ground: Ground, rng: Random) -> Document:
    """Insert each statement as a sentence: not first, and not before a sentence that depends on the previous one."""
    sentences = list(document)
    for one in statements:
        gaps = [row for row in range(1, len(sentences)) if ground.is_understood(sentences[row])]
        sentences.insert(rng.choice([*gaps, len(sentences)]), Sentence((one,)))
    return tuple(sentences)
