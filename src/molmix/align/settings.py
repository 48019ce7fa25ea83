"""What the config says of an alignment."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from molmix.align.methods import METHODS
from molmix.core.schema import Name, Section, Share


class Align(Section):
    """One way to align a policy with the preference pairs."""

    method: Literal[tuple(METHODS)] = Field(description="alignment method")  # type: ignore[valid-type]
    starts: list[str] = Field(min_length=1, description="ids of the models to align: initial or merged ones")
    preset: Literal["paper", "modern"] = Field("modern", description="hyperparameters to begin from")
    reference: Literal["start", "random", "uniform"] = Field(
        "start",
        description="reference model of the preference loss: the start itself, random weights, or every token as "
        "likely as any other",
    )
    share: Share | None = Field(
        None,
        description="share of the training molecules that it sees; null is `data.subset.fraction`. Smaller shares lie "
        "inside larger ones",
    )
    corpus: Name | None = Field(
        None,
        exclude_if=lambda corpus: corpus is None,
        description="one of `data.corpora`, whose pairs it is aligned and validated on; null is `data.train`",
    )
    quantize: bool = Field(False, description="QLoRA: load the start in 4-bit nf4; needs CUDA")
    lora: dict[str, Any] = Field({}, description="adapter settings over the preset's: r, alpha, dropout, …")
    settings: dict[str, Any] = Field({}, description="any setting of the method's TRL config, over the preset's")
