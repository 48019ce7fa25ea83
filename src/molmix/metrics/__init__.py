"""Metrics, one file a family: what it measures of each answer, and how its columns are shown.

A family is a file of `molmix.metrics.families` and registers by being there. It says

* ``DIRECTION``: which answers it measures, `mol2cap` (captions) or `cap2mol` (molecules);
* ``POSITION``: where its columns stand among those of the other families, the lowest first;
* ``metrics(options)``: its columns (:class:`Metric`), none where the options give it nothing to measure;
* ``measure(answers)``: a column of numbers for each of them, a row an answer; None where it has nothing to say;
* ``note(options)``: what a reader of the tables must know, or nothing;
* ``pooled(frame, options)``, where some figures of a system are not the mean over its answers: what they are made of
  (:data:`Pooled`).

The families are imported when a config is checked, so each imports numpy, pandas and the like inside its functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from molmix.core.plugins import modules

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Options:
    """What a study's config says of its metrics.

    Attributes:
        judges: settings of the judges by name (see `molmix.judges.kinds`).
        vocabulary: SciBERT wordpiece vocabulary; None for the simple tokenizer.
        wordnet: folder of the WordNet 3.0 database; None for METEOR without synonyms.
        domain: `molecules` or `text`.
        taxonomy: L+M-24's property taxonomy; None for no property scores.
        property_truth: what a caption's properties are held against, `reference` or `molecule`.
    """

    judges: dict[str, dict[str, Any]]
    vocabulary: str | None
    wordnet: str | None
    domain: str
    taxonomy: str | None = None
    property_truth: Literal["reference", "molecule"] = "reference"


@dataclass(frozen=True)
class Answers:
    """One model's answers to one test set, with all that metrics may hold them against; lists are by row.

    Attributes:
        direction: `mol2cap` or `cap2mol`.
        texts: what the model wrote.
        molecules: canonical SMILES.
        references: one or more captions for each molecule.
        facts: facts that the references state, where known.
        truth: everything that is true of each molecule, where known.
        nli: by judge, the probabilities of pairs (columns of `molmix.judges.nli.inference`); none where answers are
            molecules.
        options: what the config says.
        properties: names of each molecule's properties, where known.
        text2mol: similarity of each text and its molecule (columns of
            `molmix.metrics.text2mol_model.write_similarities`).
        smiles: the molecules as the source of the test set writes them; None where they are not known.
    """

    direction: str
    texts: list[str]
    molecules: list[str]
    references: list[list[str]]
    facts: list[list[str] | None]
    truth: list[list[str] | None]
    nli: dict[str, pa.Table]
    options: Options
    properties: list[list[str] | None] | None = None
    text2mol: pa.Table | None = None
    smiles: list[str] | None = None


@dataclass(frozen=True)
class Metric:
    """How a column of the scores is shown.

    Attributes:
        column: its name in the scores.
        better: which way is better.
        title: its name in a table that people read.
        headline: whether tables that are wide already, such as those of comparisons, show it to people; the CSV
            beside them holds every metric.
    """

    column: str
    better: Literal["higher", "lower"]
    title: str
    headline: bool = False


# Columns, array (rows, k) of numpy or sparse ones of scipy, and what is made of their sums: (…, k) -> (…).
Pooled = tuple[Any, Callable[["np.ndarray"], "np.ndarray"]]


@cache
def load_families() -> tuple[ModuleType, ...]:
    """The metric families of `molmix.metrics.families`, in the order of the tables' columns."""
    return tuple(sorted(modules(import_module("molmix.metrics.families")).values(), key=lambda found: found.POSITION))


def all_metrics(options: Options, direction: str | None = None) -> tuple[Metric, ...]:
    """Every metric of every family, in the order of the tables' columns.

    Args:
        options: what the config says.
        direction: of the answers that are measured; None for all.
    """
    chosen = (family for family in load_families() if direction in (None, family.DIRECTION))
    return tuple(metric for family in chosen for metric in family.metrics(options))
