"""Statements omitted; at least one stays."""

from random import Random

from molmix.analysis.judge_validation.document import Document, changed
from molmix.analysis.judge_validation.perturbations._edit import (
    HARMFUL,
    Edit,
    Ground,
    drawn_statements,
    statements_of,
)


def make(document: Document, k: int, ground: Ground, rng: Random) -> Document | None:
    drawn = drawn_statements(document, ground, rng)
    return changed(document, dict.fromkeys(drawn[:k])) if k <= len(drawn) and k < len(statements_of(document)) else None


EDIT = Edit("omit", HARMFUL, make, position=6)
