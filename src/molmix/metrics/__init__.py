"""Metrics, one file a family: what it measures of each answer, and how its columns are shown.

To add one, write its file with `METRICS` and `measure(answers)`, and name it in `FAMILIES`; scores, leaderboard
and their documentation follow. Importing this package is cheap; a family is imported when it is asked for.
No family imports torch or transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Options:
    """What a study's config says of its metrics.

    Attributes:
        operation: row-wise operation on contradiction (see `molmix.judge`).
        vocabulary: SciBERT wordpiece vocabulary; None for the simple tokenizer.
        wordnet: folder of the WordNet 3.0 database; None for METEOR without synonyms.
        domain: `molecules` or `text`.
    """

    operation: str
    vocabulary: str | None
    wordnet: str | None
    domain: str


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
        nli: atom × atom probabilities (columns of `molmix.nli.run`), for captions.
        options: what the config says.
    """

    direction: str
    texts: list[str]
    molecules: list[str]
    references: list[list[str]]
    facts: list[list[str] | None]
    truth: list[list[str] | None]
    nli: pa.Table | None
    options: Options


@dataclass(frozen=True)
class Metric:
    """How a column of the scores is shown.

    Attributes:
        column: its name in the scores.
        better: which way is better.
        title: its name in a table that people read.
        pooled: longest n-gram, where the system's figure is the BLEU of summed counts; 0 for a mean over rows.
    """

    column: str
    better: Literal["higher", "lower"]
    title: str
    pooled: int = 0


FAMILIES = tuple(
    partial(import_module, f"molmix.metrics.{name}") for name in ("atoms", "captions", "facts", "molecules")
)
