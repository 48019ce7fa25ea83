"""The control: the unchanged reference."""

from random import Random

from molmix.analysis.judge_validation.document import Document
from molmix.analysis.judge_validation.perturbations._edit import CONTROL, Edit, Ground


def make(document: Document, k: int, ground: Ground, rng: Random) -> Document:
    return document


EDIT = Edit("none", CONTROL, make)
