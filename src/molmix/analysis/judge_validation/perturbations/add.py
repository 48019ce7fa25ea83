"""Statements about other molecules added."""

from random import Random

from molmix.analysis.judge_validation.document import Document
from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, Ground, inserted, new_statements


def make(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    foreign = new_statements(document, ground, rng)
    return inserted(document, foreign[:k], ground, rng) if len(foreign) >= k else None


EDIT = Edit("add", HARMFUL, make, position=5)
