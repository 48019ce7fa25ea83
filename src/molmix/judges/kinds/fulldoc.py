"""The whole caption against the whole reference: the plain NLI baseline of the consistency benchmarks."""

from typing import ClassVar, Literal

from molmix.judges.kinds._judge import SupportJudge


class FullDoc(SupportJudge):
    """Probability that the whole reference entails the whole caption.

    The document-level baseline of SummaC ("MNLI-doc", Laban et al. 2022) and of AlignScore (``MNLIScorer`` in its
    ``baselines.py``, Zha et al. 2023): the probability of entailment alone. (``SummaCZS(granularity="document")`` would
    subtract that of contradiction; it is no baseline of that paper.)

    Of several references, the one that entails the caption most. A caption or a reference that says nothing has
    consistency 0.
    """

    kind: Literal["fulldoc"]

    units: ClassVar[tuple[str, str]] = ("whole", "whole")
