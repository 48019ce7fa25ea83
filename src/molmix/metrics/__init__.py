"""Metrics, one file per family. A family computes scores of each answer, and says how its columns are shown.

A family is a file in `molmix.metrics.families`, which registers it. It defines

* ``DIRECTION``: the answers that it measures, `mol2cap` (captions) or `cap2mol` (molecules);
* ``POSITION``: order of its columns among the families, the lowest first;
* ``metrics(options)``: its columns (:class:`Metric`), empty if the options give it nothing to measure;
* ``measure(answers)``: a column of numbers for each metric, one row per answer; None if it does not apply;
* ``measure_set(answers)``, in place of ``measure`` if a metric is one number of all answers together, such as a
  distance between two sets: the number by column. The leaderboard shows it, without interval and without test;
* ``note(options)``: a note for readers of the tables, or an empty text;
* ``FROM_TABLES = True``, only if it scores tables that other jobs make, such as those of judges;
* ``pooled(frame, options)``, only if some figures of a system are not the mean over its answers: the columns and
  functions for these figures (:data:`Pooled`).

The families are imported when a config is checked. So each imports numpy, pandas and similar libraries inside its
functions.
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
    """Settings of metrics from a study's config.

    Attributes:
        judges: settings of the judges by name (see `molmix.judges.kinds`).
        vocabulary: SciBERT wordpiece vocabulary; None for the simple tokenizer.
        wordnet: folder of the WordNet 3.0 database; None for METEOR without synonyms.
        domain: `molecules` or `text`.
        taxonomy: L+M-24's property taxonomy; None for no property scores.
        property_truth: ground truth for a caption's properties, `reference` or `molecule`.
        fcd: whether the Fréchet ChemNet Distance of molecules is measured.
    """

    judges: dict[str, dict[str, Any]]
    vocabulary: str | None
    wordnet: str | None
    domain: str
    taxonomy: str | None = None
    property_truth: Literal["reference", "molecule"] = "reference"
    fcd: bool = False


@dataclass(frozen=True)
class Answers:
    """One model's answers to one test set, with all data that metrics compare them with. Lists are by row.

    Attributes:
        direction: `mol2cap` or `cap2mol`.
        texts: what the model wrote.
        molecules: canonical SMILES.
        references: one or more captions for each molecule.
        facts: facts that the references state, if known.
        truth: all true facts of each molecule, if known.
        judged: by judge, the table that its scores are made from (see `molmix.judges.kinds.score_captions`); empty if
            answers are molecules.
        options: settings of the config.
        properties: names of each molecule's properties, if known.
        text2mol: similarity of each text and its molecule (columns of
            `molmix.metrics.text2mol_model.write_similarities`).
        smiles: the molecules as the source of the test set writes them; None if unknown.
    """

    direction: str
    texts: list[str]
    molecules: list[str]
    references: list[list[str]]
    facts: list[list[str] | None]
    truth: list[list[str] | None]
    judged: dict[str, pa.Table]
    options: Options
    properties: list[list[str] | None] | None = None
    text2mol: pa.Table | None = None
    smiles: list[str] | None = None


@dataclass(frozen=True)
class Metric:
    """How a column of the scores is shown.

    Attributes:
        column: its name in the scores.
        better: whether higher or lower is better.
        title: its name in tables for people.
        headline: whether wide tables for people, such as those of comparisons, show it. Their CSV has every metric.
        shown: whether the leaderboard for people shows it. Its CSV has every metric.
        of_set: whether it is one number of all answers together (`measure_set`), without interval and without test.
    """

    column: str
    better: Literal["higher", "lower"]
    title: str
    headline: bool = False
    shown: bool = True
    of_set: bool = False


# Columns (an array (rows, k) of numpy or a sparse one of scipy), and a function of their sums: (…, k) -> (…).
Pooled = tuple[Any, Callable[["np.ndarray"], "np.ndarray"]]


@cache
def load_families() -> tuple[ModuleType, ...]:
    """The metric families of `molmix.metrics.families`, in the order of the tables' columns."""
    return tuple(sorted(modules(import_module("molmix.metrics.families")).values(), key=lambda found: found.POSITION))


def all_metrics(options: Options, direction: str | None = None) -> tuple[Metric, ...]:
    """Every metric of every family, in the order of the tables' columns.

    Args:
        options: settings of the config.
        direction: of the measured answers; None for all.
    """
    chosen = (family for family in load_families() if direction in (None, family.DIRECTION))
    return tuple(metric for family in chosen for metric in family.metrics(options))


def immediate_metrics(options: Options) -> tuple[Metric, ...]:
    """Metrics of captions that need no tables of other jobs: a training or a search can measure them itself."""
    chosen = (family for family in load_families() if family.DIRECTION == "mol2cap")
    return tuple(
        metric for family in chosen if not getattr(family, "FROM_TABLES", False) for metric in family.metrics(options)
    )
