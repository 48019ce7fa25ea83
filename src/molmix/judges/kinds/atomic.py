"""Atoms against atoms, in both directions: molmix's own judge, based on the fine-grained NLI of arXiv 2405.13984."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from molmix.core.schema import Name, wrong_key
from molmix.judges.kinds._alignment import matched, matches, score_matches
from molmix.judges.kinds._judge import NliJudge, Score
from molmix.judges.matrices import MATCHED, MOST_ENTAILED, Explanation, PairMatrices, Scorer

if TYPE_CHECKING:
    import numpy as np

THRESHOLD = 0.5  # of a probability: more likely than not
SCORES = (
    Score("atomic_f1", "higher", title="atomic F1"),
    Score("atomic_precision", "higher", shown=False, headline=False, title="atomic precision"),
    Score("atomic_recall", "higher", shown=False, headline=False, title="atomic recall"),
    Score("hallucination", "lower", reads_contradiction=True),
    Score("supported", "higher", shown=False, headline=False),
    Score("contradicted", "lower", shown=False, headline=False, reads_contradiction=True),
    Score("unsupported", "lower", headline=False, reads_contradiction=True),
    Score("coverage", "higher"),
)
# What an atom is compared with -> what F1 is over, and the match of an atom, in words for people.
PREMISES = {
    "atoms": (
        "mutual entailment",
        "Match of two atoms: the lower of the two probabilities that one entails the other",
    ),
    "text": (
        "entailment by the whole other text",
        "Match of an atom: the probability that the whole other text entails it",
    ),
    "infuse": (
        "entailment by the atoms most about an atom",
        "Match of an atom: the probability that the atoms of the other text that are most about it together entail it",
    ),
}


class Atomic(NliJudge):
    """Atomic cross-NLI: how much of a caption and its reference says the same, and what is wrong with the rest.

    * ``atomic_f1``, the headline: harmonic mean of ``atomic_precision`` (mean over generated atoms of their match with
      a reference atom) and ``atomic_recall`` (mean over reference atoms of their match with a generated atom). Two
      atoms match if each entails the other (:mod:`molmix.judges.kinds._alignment`). With longer premises (`premises`),
      an atom matches as far as the premise entails it, and the same entailment makes it supported or covered.
    * ``hallucination``: mean over generated atoms of the *row-wise operation* on contradiction (:data:`OPERATIONS`).
    * ``supported``, ``contradicted``, ``unsupported``: shares of the generated atoms, which add up to 1. An atom is
      supported if some reference atom entails it with a probability of at least a half; else contradicted if the
      row-wise operation gives at least a half; else unsupported.
    * ``coverage``: mean over reference atoms of the highest entailment by a generated atom.

    A caption without atoms covers nothing (``coverage``, ``atomic_recall`` and ``atomic_f1`` 0). Its ``hallucination``,
    ``atomic_precision`` and shares are means over no atom and are not defined: NaN, left out of a system's mean.
    Against a reference without atoms, every atom is unsupported and none contradicted (``hallucination`` 0), and
    ``coverage`` and F1 with its parts are not defined, for every system alike.
    """

    kind: Literal["atomic"]
    decomposer: Name = Field("rules", description="how both texts are split into atoms, by its name")
    operation: Literal["max", "min", "mean", "aligned"] = Field(
        "aligned", description="row-wise operation on contradiction that makes the hallucination score"
    )
    alignment: Literal["best", "one_to_one"] = Field(
        "best", description="`one_to_one`: for F1, an atom matches one atom of the other text only"
    )
    threshold: float = Field(
        0.5, gt=0, le=1, description="entailment of a full match for F1; less counts in proportion"
    )
    premises: Literal["atoms", "text", "infuse"] = Field(
        "atoms",
        description="what entails an atom for F1, supported and coverage: one of the `atoms` of the other text, its "
        "whole `text`, or those of its atoms together that are most about the atom (`infuse`)",
    )
    exact: Literal["none", "numbers", "stereo"] = Field(
        "stereo",
        description="what of an entailed text its premise has too: nothing, its numbers (locants and charges too), or "
        "also its stereo descriptors",
    )

    @model_validator(mode="after")
    def _check_alignment(self) -> Atomic:
        if self.premises != "atoms" and self.alignment == "one_to_one":
            hint = "`one_to_one` matches single atoms: give `best`, or `premises: atoms`"
            raise wrong_key(type(self), "alignment", self.alignment, hint)
        return self

    both_ways: ClassVar[bool] = True
    counts: ClassVar[tuple[str, ...]] = ("n_generated", "n_reference")
    scores: ClassVar[tuple[Score, ...]] = SCORES
    plain_columns: ClassVar[bool] = True

    @property
    def decomposed_by(self) -> str:
        """The decomposer of both texts."""
        return self.decomposer

    @property
    def reads_texts(self) -> bool:
        """With whole texts as premises."""
        return self.premises == "text"

    @property
    def asking(self) -> dict[str, Any]:
        """How the NLI model is asked, and that numbers are compared as numbers."""
        longer = {} if self.premises == "atoms" else {"premises": self.premises}
        return super().asking | {"exact": self.exact} | longer

    def variants(self) -> dict[str, dict[str, Any]]:
        """The same judge with every row-wise operation."""
        return {operation: self.model_dump() | {"operation": operation} for operation in OPERATIONS}

    def describe(self) -> str:
        """Description of the judge and its row-wise operation."""
        return (
            f"atoms by `{self.decomposer}`, NLI model `{self.nli}`, atomic F1 over {PREMISES[self.premises][0]}, "
            f"hallucination by the row-wise operation `{self.operation}`"
        )

    def scorer(self) -> Scorer:
        """The scores with this judge's settings."""
        return partial(score, operation=self.operation, threshold=self.threshold, alignment=self.alignment)

    def explain(self, matrices: PairMatrices) -> Explanation:
        """The verdicts, the deciding atoms, and the terms of every score."""
        found = verdicts(matrices, self.operation)
        precision, recall = matched(matrices, self.threshold, self.alignment)
        picked = {REASONS[self.operation]: PICKS[self.operation](matrices)} if self.operation in PICKS else {}
        shares = {
            "supported": found.supported,
            "contradicted": found.contradicted,
            "unsupported": ~found.supported & ~found.contradicted,
        }
        return Explanation(
            deciding={
                MATCHED: matches(matrices, self.threshold).argmax(axis=-1),
                **picked,
                MOST_ENTAILED: matrices.forward_entailment.argmax(axis=-1),
            },
            terms={
                "atomic_precision": (precision, "match of the generated atoms"),
                "atomic_recall": (recall, "match of the reference atoms"),
                "hallucination": (found.contradiction, "contradiction of the generated atoms"),
                "coverage": (found.coverage, "entailment of the reference atoms"),
            }
            | {name: (share, f"share of {name} generated atoms") for name, share in shares.items()},
            verdicts=found.generated(),
            covered=found.reference(),
            formulas={"atomic_f1": "2 × atomic_precision × atomic_recall / (atomic_precision + atomic_recall)"},
            note=f"A probability of {THRESHOLD} or more makes an atom supported, contradicted or covered. "
            f"{PREMISES[self.premises][1]}, divided by {self.threshold:g}, at most 1.",
        )


def _most_about(matrices: PairMatrices) -> np.ndarray:
    """The one reference atom that is closest in content to a generated atom.

    It is the reference atom that entails the generated atom, if there is one (the reference does not contradict its own
    statements). Else it is the one that contradicts it in both directions. This avoids two errors of ``max``: a model
    that calls unrelated texts contradictions does so less often in both directions, and a supported atom is not
    compared with other reference atoms.
    """
    import numpy as np

    clash = np.minimum(matrices.forward_contradiction, matrices.backward_contradiction)
    entailed = matrices.forward_entailment >= THRESHOLD
    about = np.where(entailed, 1 + matrices.forward_entailment, np.maximum(clash, matrices.forward_entailment))
    return about.argmax(axis=-1)


# name -> the reference atom whose contradiction counts, for each generated atom: int64 [..., G], from matrices with
# R > 0. Operations that do not use a single atom are not listed.
PICKS: dict[str, Callable[[PairMatrices], np.ndarray]] = {
    "max": lambda matrices: matrices.forward_contradiction.argmax(axis=-1),
    "min": lambda matrices: matrices.forward_contradiction.argmin(axis=-1),
    "aligned": _most_about,
}

# Why an operation picks its reference atom, in words for people.
REASONS = {"aligned": "most about", "max": "contradicted most by", "min": "contradicted least by"}


def _picked(matrices: PairMatrices, pick: Callable[[PairMatrices], np.ndarray]) -> np.ndarray:
    """Contradiction by the picked reference atom."""
    import numpy as np

    return np.take_along_axis(matrices.forward_contradiction, pick(matrices)[..., None], axis=-1)[..., 0]


# name -> contradiction of each generated atom [..., G], from matrices with R > 0
OPERATIONS: dict[str, Callable[[PairMatrices], np.ndarray]] = {
    "max": partial(_picked, pick=PICKS["max"]),
    "min": partial(_picked, pick=PICKS["min"]),
    "mean": lambda matrices: matrices.forward_contradiction.mean(axis=-1),
    "aligned": partial(_picked, pick=PICKS["aligned"]),
}


@dataclass(frozen=True)
class AtomVerdicts:
    """Verdicts about every atom of one caption and its reference, or of many of one shape.

    Attributes:
        contradiction: of each generated atom, by the row-wise operation [..., G].
        supported, contradicted: of each generated atom, bool [..., G]; an atom that is neither is unsupported.
        coverage: highest entailment of each reference atom by a generated atom [..., R].
    """

    contradiction: np.ndarray
    supported: np.ndarray
    contradicted: np.ndarray
    coverage: np.ndarray

    def generated(self) -> np.ndarray:
        """Verdict of each generated atom: supported, contradicted or unsupported [..., G]."""
        import numpy as np

        return np.select([self.supported, self.contradicted], ["supported", "contradicted"], "unsupported")

    def reference(self) -> np.ndarray:
        """Verdict of each reference atom: covered or missed [..., R]."""
        import numpy as np

        return np.where(self.coverage >= THRESHOLD, "covered", "missed")


def verdicts(matrices: PairMatrices, operation: str) -> AtomVerdicts:
    """Judge every atom. :func:`score` averages these values.

    Args:
        matrices: each [..., G, R] with G > 0 and R > 0.
        operation: a key of :data:`OPERATIONS`.
    """
    contradiction = OPERATIONS[operation](matrices)
    supported = matrices.generated_support >= THRESHOLD
    contradicted = ~supported & (contradiction >= THRESHOLD)
    return AtomVerdicts(contradiction, supported, contradicted, matrices.reference_support)


def score(matrices: PairMatrices, operation: str, threshold: float, alignment: str) -> dict[str, np.ndarray]:
    """Scores of one caption, or of many of one shape.

    Args:
        matrices: each [..., G, R]; G and R may be 0.
        operation: a key of :data:`OPERATIONS`.
        threshold, alignment: of :func:`molmix.judges.kinds._alignment.score_matches`.

    Returns:
        An array [...] for each of :data:`SCORES`; see :class:`Atomic` for definitions and for texts without atoms.
    """
    return score_matches(matrices, threshold=threshold, alignment=alignment) | count_verdicts(matrices, operation)


def count_verdicts(matrices: PairMatrices, operation: str) -> dict[str, np.ndarray]:
    """The scores that read one direction at a time: an array [...] for each of :data:`SCORES` but F1 and its parts.

    Args:
        matrices: each [..., G, R]; G and R may be 0.
        operation: a key of :data:`OPERATIONS`.
    """
    import numpy as np

    *many, generated, reference = matrices.forward_entailment.shape
    if not generated or not reference:
        shares = dict.fromkeys(
            ("hallucination", "supported", "contradicted"), np.full(many, 0.0 if generated else np.nan)
        )
        return shares | {
            "unsupported": np.full(many, 1.0 if generated else np.nan),
            "coverage": np.full(many, 0.0 if reference else np.nan),
        }
    atoms = verdicts(matrices, operation)
    return {
        "hallucination": atoms.contradiction.mean(axis=-1),
        "supported": atoms.supported.mean(axis=-1),
        "contradicted": atoms.contradicted.mean(axis=-1),
        "unsupported": (~atoms.supported & ~atoms.contradicted).mean(axis=-1),
        "coverage": atoms.coverage.mean(axis=-1),
    }
