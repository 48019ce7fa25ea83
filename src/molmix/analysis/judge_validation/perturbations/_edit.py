"""Shared code of planted errors: their type, the interface to edits of statements, and draws of statements."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from molmix.analysis.judge_validation.document import Document, Sentence, Statement, changed

HARMFUL, HARMLESS, CONTROL = "harmful", "harmless", "control"


class Ground(Protocol):
    """Edits of the statements of one caption; None if an edit is not possible."""

    def is_understood(self, sentence: Sentence) -> bool:
        """Whether its statements can be edited and it does not depend on the sentence before."""

    def is_stated(self, one: Statement) -> bool:
        """Whether the reference states it. Only then it is an error to change it or to leave it out."""

    def foreign(self, rng: Random) -> Iterator[Statement]:
        """Statements about other molecules that are errors here."""

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
