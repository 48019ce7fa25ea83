"""The edits of a caption: what each does to it, and whether that does harm.

To add one, write its function and name it in :data:`EDITS`.

A dose ``k`` is ``k`` edits of one kind on different statements, each wherever the caption makes it. With the same draws
a larger dose begins with the edits of the smaller one, so that what a score makes of the next error is not mixed with
where it happens to stand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from molmix.analysis.judge_validation.document import Document, Sentence, Statement, changed, tell

HARMFUL, HARMLESS, CONTROL = "harmful", "harmless", "control"


class Ground(Protocol):
    """What can be made of the statements of one caption; None where nothing can."""

    def is_understood(self, sentence: Sentence) -> bool:
        """Whether its statements can be edited and it does not lean on the sentence before."""

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


# k edits of a document, on its ground, with the draws; None where fewer are possible
Make = Callable[[Document, int, Ground, Random], Document | None]


@dataclass(frozen=True)
class Edit:
    """How an edit is made, and whether the caption is worse for it: one of the three kinds above."""

    kind: str
    make: Make


def _none(document: Document, k: int, ground: Ground, rng: Random) -> Document:
    return document


def _each(alter: Callable[[Ground, Statement, Random], Statement | None]) -> Make:
    """Alter k statements, each by itself, and none into what another says or is made to say."""

    def make(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
        said = set(_stated(document))
        changes: dict[Statement, Statement | None] = {}
        for one in _drawn(document, ground, rng):
            other = alter(ground, one, rng)
            if other and other not in said:
                said.add(other)
                changes[one] = other
            if len(changes) == k:
                return changed(document, changes)
        return None

    return make


def _swap(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    """Replace k statements by foreign ones, of the same verb where some are, so that the lists stay lists."""
    drawn = _drawn(document, ground, rng)
    foreign = _new(document, ground, rng)
    if len(drawn) < k:
        return None
    changes: dict[Statement, Statement | None] = {}
    for one in drawn[:k]:
        alike = [other for other in foreign if other.verb == one.verb] or foreign
        if not alike:
            return None
        changes[one] = alike[0]
        foreign.remove(alike[0])
    return changed(document, changes)


def _add(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    foreign = _new(document, ground, rng)
    return _inserted(document, foreign[:k], ground, rng) if len(foreign) >= k else None


def _repeat(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    again = _drawn(document, ground, rng)
    return _inserted(document, again[:k], ground, rng) if len(again) >= k else None


def _omit(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    """Leave k statements out; one at least stays."""
    drawn = _drawn(document, ground, rng)
    return changed(document, dict.fromkeys(drawn[:k])) if k <= len(drawn) and k < len(_stated(document)) else None


def _reorder(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    """Move k things: a sentence to another place, or a statement to another place in its list."""
    order = list(range(len(document)))
    inner = [list(range(len(sentence.statements))) for sentence in document]
    # What can be moved, and the line of numbers in which it moves
    free = _free(document, ground)
    movable = [(order, row) for row in free] + [(inner[row], column) for row in free for column in inner[row]]
    seen = {tell(document)}
    for line, mover in rng.sample(movable, len(movable)):
        before = list(line)
        for target in rng.sample(range(len(line)), len(line)):
            line.remove(mover)
            line.insert(target, mover)
            moved = tuple(_permuted(document[row], inner[row]) for row in order)
            if _leans_right(moved, document, ground) and tell(moved) not in seen:
                seen.add(tell(moved))
                break
            line[:] = before
        if len(seen) > k:
            return tuple(_permuted(document[row], inner[row]) for row in order)
    return None


EDITS: dict[str, Edit] = {
    "none": Edit(CONTROL, _none),
    "swap": Edit(HARMFUL, _swap),
    "class": Edit(HARMFUL, _each(lambda ground, one, rng: ground.reclassed(one, rng))),
    "negation": Edit(HARMFUL, _each(lambda ground, one, rng: ground.negated(one, rng))),
    "number": Edit(HARMFUL, _each(lambda ground, one, rng: ground.renumbered(one, rng))),
    "add": Edit(HARMFUL, _add),
    "omit": Edit(HARMFUL, _omit),
    "repeat": Edit(HARMLESS, _repeat),
    "reorder": Edit(HARMLESS, _reorder),
    "paraphrase": Edit(HARMLESS, _each(lambda ground, one, rng: ground.reworded(one, rng))),
}


def _stated(document: Document) -> list[Statement]:
    """The statements of a document, each once: some captions state a thing twice."""
    return list(dict.fromkeys(one for sentence in document for one in sentence.statements))


def _new(document: Document, ground: Ground, rng: Random) -> list[Statement]:
    """Distinct foreign statements that the document does not make."""
    said = _stated(document)
    return [one for one in dict.fromkeys(ground.foreign(rng)) if one not in said]


def _free(document: Document, ground: Ground) -> list[int]:
    """Sentences that can be edited: understood, and not followed by one that is not and may lean on them."""
    understood = [ground.is_understood(sentence) for sentence in document] + [True]
    return [row for row in range(len(document)) if understood[row] and understood[row + 1]]


def _drawn(document: Document, ground: Ground, rng: Random) -> list[Statement]:
    """The statements that can be edited wherever they are made, in drawn order."""
    free = _free(document, ground)
    bound = {one for row, sentence in enumerate(document) if row not in free for one in sentence.statements}
    found = [one for one in _stated(document) if one not in bound]
    return rng.sample(found, len(found))


def _inserted(document: Document, statements: list[Statement], ground: Ground, rng: Random) -> Document:
    """Each statement as a sentence of its own, not the first, and not between one and another that leans on it."""
    sentences = list(document)
    for one in statements:
        gaps = [row for row in range(1, len(sentences)) if ground.is_understood(sentences[row])]
        sentences.insert(rng.choice([*gaps, len(sentences)]), Sentence((one,)))
    return tuple(sentences)


def _leans_right(moved: Document, document: Document, ground: Ground) -> bool:
    """Whether each sentence that may lean on the one before still comes after the same one."""
    before = {sentence: one for one, sentence in zip((None, *document), document, strict=False)}
    return all(
        ground.is_understood(sentence) or one == before.get(sentence)
        for one, sentence in zip((None, *moved), moved, strict=False)
    )


def _permuted(sentence: Sentence, order: list[int]) -> Sentence:
    """The sentence as it is written, unless its statements are in another order."""
    if order == sorted(order):
        return sentence
    return Sentence(tuple(sentence.statements[column] for column in order))
