"""What the config says of NLI models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from molmix.core.schema import Count, Revision, Section


class NliSettings(Section):
    """How any NLI model is asked."""

    max_length: Annotated[Count, Field(ge=16)] = Field(
        256, description="tokens of a pair; longer ones are cut, counted"
    )
    batch_tokens: Annotated[Count, Field(ge=64)] = Field(16384, description="tokens in a batch of pairs")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="`auto` is bfloat16 where the hardware has it"
    )

    def asked(self) -> dict[str, Any]:
        """Settings that its answers depend on, beside its weights (arguments of
        :func:`molmix.judges.nli.inference.cross`)."""
        return self.model_dump(include={"max_length", "batch_tokens", "dtype", "labels"})


class MadeNli(NliSettings):
    """A small cross-encoder trained in the graph on facts of the embedded world."""

    kind: Literal["made"]
    pairs: Annotated[Count, Field(ge=1000)] = Field(60000, description="training pairs")
    epochs: Annotated[float, Field(gt=0, le=10_000)] = Field(1.0, description="passes over them")
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        0.95, description="least held-out accuracy; a judge below it is refused"
    )


class PretrainedNli(NliSettings):
    """A sequence-classification NLI model from the hub or a local folder."""

    kind: Literal["pretrained"]
    id: str = Field(description="hub id or local folder")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    labels: list[Literal["entailment", "neutral", "contradiction"]] | None = Field(
        None, description="what its classes mean, in order, where its config.json does not say (MiniCheck's does not)"
    )


Nli = Annotated[MadeNli | PretrainedNli, Field(discriminator="kind")]
