"""Base class of judge kinds, and the score that three of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from molmix.core.schema import Name, Section
from molmix.judges.matrices import MOST_ENTAILED, Explanation, PairMatrices, Scorer

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Score:
    """A score of a caption.

    Attributes:
        column: its name, with the same meaning in every kind that has it.
        better: whether higher or lower is better.
        shown: whether tables for people show it.
        headline: whether tables with few columns show it.
        reads_contradiction: whether it depends on probabilities of contradiction. Many NLI models call unrelated pairs
            contradictions; the licence of such a score has a bound on this.
    """

    column: str
    better: Literal["higher", "lower"]
    shown: bool = True
    headline: bool = True
    reads_contradiction: bool = False


CONSISTENCY = Score("consistency", "higher")


class JudgeSettings(Section):
    """A judge of the config. A kind is one file with one subclass of this.

    Attributes:
        nli: name of the NLI model.
        units: how the reference and the caption are cut: keys of :data:`molmix.judges.decompose.units.UNITS`.
        both_ways: whether it also reads the backward matrices, with the caption as premise.
        counts: columns of the pairs' table that are added to the scores.
        scores: its scores.
        title: title of the judge in tables that compare judges; empty for its name in the config.
        plain_columns: if true, the first such judge of the config has score columns without its name as prefix
            (`hallucination` instead of `summac.consistency`).
    """

    kind: str
    nli: Name = Field("embedded", description="NLI model that is asked, by its name")

    units: ClassVar[tuple[str, str]] = ("sentences", "sentences")
    both_ways: ClassVar[bool] = False
    counts: ClassVar[tuple[str, ...]] = ()
    scores: ClassVar[tuple[Score, ...]] = (CONSISTENCY,)
    plain_columns: ClassVar[bool] = False
    title: ClassVar[str] = ""

    @property
    def reference_units(self) -> str:
        """How the reference is cut: a key of `UNITS`, or the name of a decomposer of the config."""
        return self.decomposed_by or self.units[0]

    @property
    def generated_units(self) -> str:
        """How the caption is cut: a key of `UNITS`, or the name of a decomposer of the config."""
        return self.decomposed_by or self.units[1]

    @property
    def decomposed_by(self) -> str | None:
        """Name of the decomposer of the config that cuts both texts into atoms; None if the judge uses none."""
        return None

    @property
    def files(self) -> list[str]:
        """Files that the judge reads."""
        return []

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in :func:`molmix.judges.kinds.score_captions` after id."""
        return (*self.counts, *(score.column for score in self.scores))

    def scorer(self) -> Scorer:
        """The function from matrices to scores, with all needed files loaded.

        Raises:
            MolmixError: a file that it needs cannot be used.
        """
        raise NotImplementedError

    def explain(self, matrices: PairMatrices) -> Explanation:
        """How the scores are computed, for `molmix explain` and the explorer.

        Args:
            matrices: each [..., G, R] with G > 0 and R > 0.
        """
        raise NotImplementedError

    def variants(self) -> dict[str, dict[str, Any]]:
        """Judges that use the same pairs: settings by name; without variants, its own by the empty name."""
        return {"": self.model_dump()}

    def describe(self) -> str:
        """Description of the judge, for the notes below the tables."""
        return f"{self.kind} by the NLI model `{self.nli}`"


def mean_support(matrices: PairMatrices) -> dict[str, np.ndarray]:
    """Mean over generated units of the highest entailment by a reference unit.

    Args:
        matrices: each [..., G, R]. If G or R is 0, nothing is supported: the score is 0, the lowest.

    Returns:
        ``consistency``, an array [...] in [0, 1].
    """
    return {"consistency": matrices.or_zeros().forward_entailment.max(axis=-1).mean(axis=-1)}


class SupportJudge(JudgeSettings):
    """A judge whose score is the mean, over units of the caption, of the best support by the reference."""

    def scorer(self) -> Scorer:
        """See :func:`mean_support`."""
        return mean_support

    def explain(self, matrices: PairMatrices) -> Explanation:
        """How :func:`mean_support` is computed."""
        entailment = matrices.forward_entailment
        return Explanation(
            deciding={MOST_ENTAILED: entailment.argmax(axis=-1)},
            terms={"consistency": (entailment.max(axis=-1), "highest entailment of the units")},
        )
