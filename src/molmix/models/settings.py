"""Config sections of initial models and uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from molmix.core.errors import fault
from molmix.core.schema import Count, Name, Revision, Section, Size, wrong_key
from molmix.data.settings import Examples, Prompts
from molmix.models.endpoint import ServerSettings


class HubModel(Section):
    """A model on the hub or in a local folder."""

    kind: Literal["pretrained"]
    id: str = Field(description="hub id or local folder (safetensors)")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    prompts: Prompts | None = Field(
        None,
        description="templates that it was tuned with, if they differ from the study's; models aligned from it use the "
        "study's",
    )
    examples: Examples | None = Field(
        None,
        exclude_if=lambda examples: examples is None,
        description="solved examples before each question; models aligned from it are asked without them, as they were "
        "trained",
    )


class EndpointModel(ServerSettings):
    """A model behind a server that speaks OpenAI's chat completions. It writes captions; it has no weights here."""

    kind: Literal["endpoint"]
    max_new_tokens: Count | None = Field(  # type: ignore[assignment]  # filled in before it is used
        None, description="longest answer, in the server's tokens; null is `generation.max_new_tokens`"
    )
    prompts: Prompts | None = Field(
        None, description="prompts that differ from the study's; the server has a chat template of its own"
    )
    examples: Examples | None = Field(None, description="solved examples before each question")


class MadeModel(Section):
    """A small Llama trained in the graph."""

    kind: Literal["made"]
    parent: Name | None = Field(
        None, description="initial model whose training is continued; null starts from random weights"
    )
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
    hidden_size: Size = Field(128, description="width; used where `parent` is null")
    layers: Size = Field(4, description="number of layers; used where `parent` is null")
    heads: Size = Field(4, description="attention heads; used where `parent` is null")
    vocabulary: Annotated[Count, Field(ge=100, le=1_000_000)] = Field(
        800, description="BPE tokens; used where `parent` is null"
    )


Initial = Annotated[HubModel | MadeModel | EndpointModel, Field(discriminator="kind")]


class Push(Section):
    """Where `snakemake push` uploads adapters and kept merges with their model cards; no other step depends on it."""

    repository: str = Field(description="hub id that holds {model} once, which is replaced by the id of each model")
    models: list[str] = Field([], description="ids of the models to upload; none uploads every adapter and kept merge")
    private: bool = Field(True, description="make new repositories private")

    @model_validator(mode="after")
    def _slot(self) -> Push:
        if self.repository.count("{model}") != 1 or self.repository.count("/") != 1:
            hint = "give a hub id with {model} in it once, as my-lab/captions-{model}"
            raise wrong_key(type(self), "repository", self.repository, hint)
        return self


def check_heads(name: str, hidden_size: int, heads: int) -> None:
    """Refuse a width that the heads of a Llama do not divide.

    Args:
        name: id of the initial model.
        hidden_size, heads: its width, and its attention heads. A head's part of the width must be even (rotary
            positions).
    """
    if hidden_size % (2 * heads):
        what = f"{heads} heads do not divide a hidden_size of {hidden_size} into even parts"
        raise fault(f"initial.{name}.heads", what, "choose a hidden_size that is a multiple of 2 * heads")
