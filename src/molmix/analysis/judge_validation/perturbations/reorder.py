"""Sentences moved, and statements moved within their list."""

from random import Random

from molmix.analysis.judge_validation.document import Document, Sentence, to_text
from molmix.analysis.judge_validation.perturbations._edit import HARMLESS, Edit, Ground, editable_sentences

# Maximum number of tried moves: in a caption that repeats one statement, no move changes the text.
TRIED = 200


def make(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    """Move k things: a sentence to another position, or a statement to another position in its list."""
    order = list(range(len(document)))
    inner = [list(range(len(sentence.statements))) for sentence in document]
    # What can be moved, and the list of numbers in which it moves
    free = editable_sentences(document, ground)
    movable = [(order, row) for row in free] + [(inner[row], column) for row in free for column in inner[row]]
    # A sentence that may depend on the one before it stays after that one.
    before = zip((None, *document), document, strict=False)
    leaning = {sentence: one for one, sentence in before if not ground.is_understood(sentence)}
    seen, tried = {to_text(document)}, 0
    for line, mover in rng.sample(movable, len(movable)):
        unmoved = list(line)
        for target in rng.sample(range(len(line)), len(line)):
            line.remove(mover)
            line.insert(target, mover)
            moved = tuple(_permuted(document[row], inner[row]) for row in order)
            tried += 1
            if _leans_right(moved, leaning) and (text := to_text(moved)) not in seen:
                seen.add(text)
                break
            line[:] = unmoved
            if tried == TRIED:
                return None
        if len(seen) > k:
            return tuple(_permuted(document[row], inner[row]) for row in order)
    return None


def _leans_right(moved: Document, leaning: dict[Sentence, Sentence | None]) -> bool:
    pairs = zip((None, *moved), moved, strict=False)
    return all(sentence not in leaning or one == leaning[sentence] for one, sentence in pairs)


def _permuted(sentence: Sentence, order: list[int]) -> Sentence:
    """The unchanged sentence, unless its statements are in another order."""
    if order == sorted(order):
        return sentence
    return Sentence(tuple(sentence.statements[column] for column in order))


EDIT = Edit("reorder", HARMLESS, make, position=2)
