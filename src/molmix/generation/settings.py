"""What the config says of generation and of captions from elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from molmix.core.schema import Count, Name, Section, Share
from molmix.data.settings import Predictions


class Generation(Section):
    """How captions are written."""

    backend: Literal["hf", "vllm"] = Field(
        "hf",
        exclude_if=lambda backend: backend == "hf",
        description="what runs the models: transformers, or vLLM, which needs a CUDA GPU and has an environment of its "
        "own (docs/vllm.md)",
    )
    max_new_tokens: Count = Field(300, description="longest answer, in tokens")
    batch_tokens: Annotated[Count, Field(ge=64)] = Field(
        16384, description="prompt and answer tokens in a batch; those of a step of `vllm`"
    )
    temperature: Annotated[float, Field(ge=0)] = Field(0.0, description="0 is greedy")
    top_p: Share = Field(1.0, description="nucleus; read where temperature is above 0")


class System(Section):
    """A system whose captions come from elsewhere."""

    name: Name = Field(description="id in the model table")
    predictions: dict[Name, Predictions] = Field(min_length=1, description="its captions, for every test set")
