"""AlignScore: each sentence of a caption against chunks of its reference (Zha et al. 2023, arXiv 2305.16739)."""

from typing import ClassVar, Literal

from molmix.judges.kinds._judge import SupportJudge


class AlignScore(SupportJudge):
    """Mean over the caption's sentences of the highest probability that a chunk of the reference is aligned with it.

    The published ``nli_sp`` mode (``inference_per_example`` in ``src/alignscore/inference.py``): chunks of about 350
    words, max over chunks, mean over sentences, of the first class (ALIGNED) of the three-way head, which the
    entailment of any NLI model stands in for. The published weights are no sequence classifier of transformers: their
    three-way head has to be taken out into one, with ALIGNED as its entailment.

    A caption or a reference that says nothing has consistency 0.
    """

    kind: Literal["alignscore"]

    units: ClassVar[tuple[str, str]] = ("chunks-even-350", "sentences")
