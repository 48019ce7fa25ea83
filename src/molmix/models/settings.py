"""What the config says of initial models and of uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from molmix.core.errors import fault
from molmix.core.schema import Count, Name, Revision, Section, Size
from molmix.data.settings import Prompts


class HubModel(Section):
    """A model on the hub or in a local folder."""

    kind: Literal["pretrained"]
    id: str = Field(description="hub id or local folder (safetensors)")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    prompts: Prompts | None = Field(
        None,
        description="templates that it was tuned with, where they are not the study's; what is aligned from it goes by "
        "the study's",
    )


class MadeModel(Section):
    """A small Llama trained in the graph."""

    kind: Literal["made"]
    parent: Name | None = Field(None, description="initial model to go on from; null starts from random weights")
    task: Literal["unpaired", "mol2cap", "cap2mol"] = Field(
        description="`unpaired` sees molecules and captions but never which belongs to which"
    )
    corpus: Name | None = Field(
        None,
        exclude_if=lambda corpus: corpus is None,
        description="one of `data.corpora`; null is `data.train`",
    )
    epochs: Annotated[float, Field(gt=0, le=10_000)] = Field(1.0, description="passes over the training split")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1.5e-3, description="peak, cosine to 0 after warm-up")
    batch_size: Count = Field(16, description="rows a step")
    hidden_size: Size = Field(128, description="width; read where `parent` is null")
    layers: Size = Field(4, description="depth; read where `parent` is null")
    heads: Size = Field(4, description="attention heads; read where `parent` is null")
    vocabulary: Annotated[Count, Field(ge=100, le=1_000_000)] = Field(
        800, description="BPE pieces; read where `parent` is null"
    )


Initial = Annotated[HubModel | MadeModel, Field(discriminator="kind")]


class Push(Section):
    """Where `snakemake push` uploads adapters and kept merges, each with its card; nothing else depends on it."""

    repository: str = Field(description="hub id with {model} in it once, which each model's id takes the place of")
    models: list[str] = Field([], description="ids of the models to upload; none uploads every adapter and kept merge")
    private: bool = Field(True, description="make new repositories private")

    @model_validator(mode="after")
    def _slot(self) -> Push:
        if self.repository.count("{model}") != 1 or self.repository.count("/") != 1:
            raise ValueError("give a hub id with {model} in it once, as my-lab/captions-{model}")
        return self


def check_heads(name: str, hidden_size: int, heads: int) -> None:
    """Refuse sizes that make no Llama.

    Args:
        name: id of the initial model.
        hidden_size, heads: its width, which its attention heads part evenly, each part in two (rotary positions).
    """
    if hidden_size % (2 * heads):
        what = f"{heads} heads do not divide a hidden_size of {hidden_size} into even parts"
        raise fault(f"initial.{name}.heads", what, "choose a hidden_size that is a multiple of 2 * heads")
