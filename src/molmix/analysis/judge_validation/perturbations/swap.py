"""Statements replaced by statements about other molecules."""

from random import Random

from molmix.analysis.judge_validation.document import Document, Statement, changed
from molmix.analysis.judge_validation.perturbations._edit import (
    HARMFUL,
    Edit,
    Ground,
    drawn_statements,
    new_statements,
)


def make(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    """Replace k statements by foreign ones, if possible with the same verb, to keep the lists."""
    drawn = drawn_statements(document, ground, rng)
    foreign = new_statements(document, ground, rng)
    if len(drawn) < k:
        return None
    changes: dict[Statement, Statement | None] = {}
    for one in drawn[:k]:
        same_verb = [other for other in foreign if other.verb == one.verb] or foreign
        if not same_verb:
            return None
        changes[one] = same_verb[0]
        foreign.remove(same_verb[0])
    return changed(document, changes)


EDIT = Edit("swap", HARMFUL, make, position=1)
