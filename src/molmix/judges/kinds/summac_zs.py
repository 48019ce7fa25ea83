"""SummaC-ZS: sentences against sentences, without training (Laban et al. 2022, TACL 10:163, arXiv 2111.09525)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from molmix.judges.kinds._judge import CONSISTENCY, NliJudge, Score
from molmix.judges.matrices import MOST_ENTAILED, Explanation, PairMatrices, Scorer

if TYPE_CHECKING:
    import numpy as np


class SummacZS(NliJudge):
    """Mean over the caption's sentences of their highest entailment less their highest contradiction.

    ``SummaCZS(granularity="sentence")`` with the published defaults (``op1="max"``, ``op2="mean"``, ``use_ent`` and
    ``use_con``). As in its code (``image2score``), the two maxima are taken apart, and may be at two sentences of the
    reference. In [-1, 1].

    A caption without a sentence that counts has no score (NaN). The published code gives it 0, which is better than
    what a contradicted caption gets. Against a reference without one, consistency is 0, as published.
    """

    kind: Literal["summac_zs"]
    min_characters: Literal[0, 10] = Field(
        10, description="sentences of up to so many characters are dropped: 10 as published, 0 drops none"
    )

    scores: ClassVar[tuple[Score, ...]] = (replace(CONSISTENCY, reads_contradiction=True),)

    @property
    def reference_units(self) -> str:
        """How the reference is cut. The splitter drops short sentences, so that the judge needs no texts."""
        return "sentences-over-10" if self.min_characters else "sentences"

    @property
    def generated_units(self) -> str:
        """How the caption is cut: like the reference."""
        return self.reference_units

    def scorer(self) -> Scorer:
        """The published score."""
        return score

    def explain(self, matrices: PairMatrices) -> Explanation:
        """How the score is computed."""
        entailment, contradiction = matrices.forward_entailment, matrices.forward_contradiction
        terms = entailment.max(axis=-1) - contradiction.max(axis=-1)
        return Explanation(
            deciding={
                MOST_ENTAILED: entailment.argmax(axis=-1),
                "contradicted most by": contradiction.argmax(axis=-1),
            },
            terms={"consistency": (terms, "highest entailment of the units, less their highest contradiction")},
        )


def score(matrices: PairMatrices) -> dict[str, np.ndarray]:
    """Scores of one caption, or of many of one shape.

    Args:
        matrices: each [..., G, R]; G and R may be 0.

    Returns:
        ``consistency``, an array [...] in [-1, 1]; NaN if G is 0.
    """
    import numpy as np

    *many, generated, _ = matrices.forward_entailment.shape
    if not generated:
        return {"consistency": np.full(many, np.nan)}
    matrices = matrices.or_zeros()
    entailment, contradiction = (
        matrix.max(axis=-1) for matrix in (matrices.forward_entailment, matrices.forward_contradiction)
    )
    return {"consistency": (entailment - contradiction).mean(axis=-1)}
