"""Statements repeated."""

from random import Random

from molmix.analysis.judge_validation.document import Document
from molmix.analysis.judge_validation.perturbations._edit import HARMLESS, Edit, Ground, drawn_statements, inserted


def make(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    again = drawn_statements(document, ground, rng)
    return inserted(document, again[:k], ground, rng) if len(again) >= k else None


EDIT = Edit("repeat", HARMLESS, make, position=1)
