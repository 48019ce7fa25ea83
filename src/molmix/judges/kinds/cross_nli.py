"""The judge of "Less for More" (arXiv 2405.13984) as published by its authors: the package cross_nli 0.1.0 (MIT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from molmix.core.schema import Name
from molmix.judges.kinds import atomic
from molmix.judges.kinds._judge import NliJudge, Score
from molmix.judges.matrices import MOST_ENTAILED, Explanation, PairMatrices, Scorer

if TYPE_CHECKING:
    import numpy as np


class CrossNli(NliJudge):
    """Cross-NLI of atoms by the definition of the authors' package, with the row-wise operation `min`.

    * ``hallucination``: mean over generated atoms of the lowest contradiction by a reference atom (the premise).
    * ``coverage``: mean over reference atoms of the highest entailment by a generated atom (the premise).

    The scores are the package's where its NLI model (`kind: cross_nli`) and its prompt (`prompt: cross_nli` of a
    decomposer) are chosen. Where a text has no atoms the package divides by zero; here a caption without atoms has
    ``coverage`` 0 and no ``hallucination`` (NaN), and a reference without atoms gives ``hallucination`` 0 and no
    ``coverage``, as in :class:`molmix.judges.kinds.atomic.Atomic`.
    """

    kind: Literal["cross_nli"]
    decomposer: Name = Field("rules", description="how both texts are split into atoms, by its name")

    both_ways: ClassVar[bool] = True
    asks_identical: ClassVar[bool] = True  # as the package does
    scores: ClassVar[tuple[Score, ...]] = (
        Score("hallucination", "lower", reads_contradiction=True),
        Score("coverage", "higher"),
    )
    title: ClassVar[str] = "Less for More (2024)"

    @property
    def decomposed_by(self) -> str:
        """The decomposer of both texts."""
        return self.decomposer

    def describe(self) -> str:
        """Description of the judge."""
        return (
            f"the metric of {self.title}, with atoms by `{self.decomposer}`, the NLI model `{self.nli}` and the "
            "row-wise operation `min`"
        )

    def scorer(self) -> Scorer:
        """See :func:`score`."""
        return score

    def explain(self, matrices: PairMatrices) -> Explanation:
        """How the scores are computed."""
        found = atomic.verdicts(matrices, "min")
        return Explanation(
            deciding={
                atomic.REASONS["min"]: atomic.PICKS["min"](matrices),
                MOST_ENTAILED: matrices.forward_entailment.argmax(axis=-1),
            },
            terms={
                "hallucination": (found.contradiction, "lowest contradiction of the generated atoms"),
                "coverage": (found.coverage, "entailment of the reference atoms"),
            },
        )


def score(matrices: PairMatrices) -> dict[str, np.ndarray]:
    """Scores of one caption, or of many of one shape.

    Args:
        matrices: of probabilities [..., G, R]; G and R may be 0.

    Returns:
        ``hallucination`` and ``coverage``, arrays [...] in [0, 1]; see :class:`CrossNli` for texts without atoms.
    """
    scores = atomic.count_verdicts(matrices, "min")
    return {name: scores[name] for name in ("hallucination", "coverage")}
