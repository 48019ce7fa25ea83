"""The whole caption against the whole reference: the plain NLI baseline of the consistency benchmarks."""

from typing import ClassVar, Literal

from pydantic import Field

from molmix.core.schema import Name, Section
from molmix.judges.matrices import Cross, Explanation, Scorer
from molmix.judges.support import explain_support, support


class FullDoc(Section):
    """Probability that the whole reference entails the whole caption.

    The document-level baseline of SummaC ("MNLI-doc", Laban et al. 2022) and of AlignScore (``MNLIScorer`` in its
    ``baselines.py``, Zha et al. 2023): the probability of entailment alone. (``SummaCZS(granularity="document")`` would
    subtract that of contradiction; it is no baseline of that paper.)

    Of several references, the one that entails the caption most. A caption or a reference that says nothing has
    consistency 0.
    """

    kind: Literal["fulldoc"]
    nli: Name = Field("embedded", description="NLI model that is asked, by its name")

    reference_units: ClassVar[str] = "whole"
    generated_units: ClassVar[str] = "whole"
    both_ways: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = ("consistency",)

    def scorer(self) -> Scorer:
        """Entailment of the one pair."""
        return support

    def explain(self, cross: Cross) -> Explanation:
        """How the score comes about."""
        return explain_support(cross)
