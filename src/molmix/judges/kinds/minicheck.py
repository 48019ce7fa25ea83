"""MiniCheck: each sentence of a caption against chunks of its reference (Tang et al. 2024, arXiv 2404.10774)."""

from typing import ClassVar, Literal

from pydantic import Field

from molmix.core.schema import Name
from molmix.judges.kinds._judge import SupportJudge


class MiniCheck(SupportJudge):
    """Mean over the caption's sentences of the highest probability that a chunk of the reference supports it.

    Made for two-label models (``lytang/MiniCheck-RoBERTa-Large``: 1 is supported); of a model with three labels it
    takes the entailment. The published code (``minicheck/inference.py``) takes the maximum over chunks of one claim and
    leaves it to the user to cut a text into claims, by sentences, and to average them: the mean is ours. Its chunks of
    the RoBERTa and DeBERTa models are 400 *tokens*; ours are 400 words. Its input is one text, chunk and claim joined
    by the end-of-text token; ours is the tokenizer's own pair.

    A caption or a reference that says nothing has consistency 0.
    """

    kind: Literal["minicheck"]
    nli: Name = Field("embedded", description="NLI model that is asked, by its name; two labels are enough")

    units: ClassVar[tuple[str, str]] = ("chunks-packed-400", "sentences")
