"""Config sections of NLI models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from molmix.core.errors import fault
from molmix.core.schema import Count, FilePath, Name, Revision, Section, wrong_key
from molmix.judges.nli.engines import AUTO, ENGINES, TORCH

CLASSIFIER = "ForSequenceClassification"  # end of the names of transformers' classes
Dtype = Literal["auto", "float32", "bfloat16", "int8"]


class NliSettings(Section):
    """How any NLI model is asked.

    Attributes:
        rule: rule of the workflow that makes its manifest.
        is_small: whether it is so small that one CPU core is enough.
    """

    rule: ClassVar[str]
    is_small: ClassVar[bool] = False

    max_length: Annotated[Count, Field(ge=16)] = Field(
        256, description="tokens of a pair; longer ones are cut, counted"
    )
    batch_tokens: Annotated[Count, Field(ge=64)] = Field(16384, description="tokens in a batch of pairs")
    dtype: Dtype = Field(
        "auto",
        description="number format of the computation; `auto` is bfloat16 where the engine and the hardware have it, "
        "else float32",
    )
    engine: Literal[AUTO, *ENGINES] = Field(  # type: ignore[valid-type]
        TORCH,
        description="library that computes its answers (docs/judges.md); `auto` takes the fastest one that is "
        "installed and gives the answers of `torch`. It only does so with `dtype: float32` on a CPU: on one with "
        "bfloat16, set this dtype, too",
    )

    @model_validator(mode="after")
    def _engine_has_format(self) -> Self:
        able = [name for name, engine in ENGINES.items() if self.dtype in ("auto", *engine.dtypes)]
        if (TORCH if self.engine == AUTO else self.engine) not in able:
            hint = f"{self.dtype!r} needs an engine that computes in it: {' or '.join(able)}"
            raise wrong_key(type(self), "dtype", self.dtype, hint)
        return self

    @property
    def needs_engines(self) -> bool:
        """Whether it can be computed by an engine that `envs/models.yaml` lacks."""
        return self.engine == AUTO or bool(ENGINES[self.engine].extra)

    def check_installed(self, key: str) -> None:
        """Refuse to run without the packages of its engine. `key` is the config key of this model."""
        if self.engine != AUTO:
            ENGINES[self.engine].check_installed(self.engine, f"{key}.engine")

    def asked(self) -> dict[str, Any]:
        """Settings that its answers depend on, besides its weights (arguments of
        :func:`molmix.judges.nli.inference.predict_tables`)."""
        own = self.model_dump(include={"max_length", "batch_tokens", "dtype", "labels", "engine"})
        if self.engine == TORCH:  # the default, so that results of earlier versions stay valid
            del own["engine"]
        return own


class MadeNli(NliSettings):
    """A small cross-encoder trained in the graph on facts of the embedded world."""

    rule: ClassVar[str] = "train_nli"
    is_small: ClassVar[bool] = True

    kind: Literal["made"]
    pairs: Annotated[Count, Field(ge=1000)] = Field(60000, description="training pairs")
    epochs: Annotated[float, Field(gt=0, le=10_000)] = Field(1.0, description="passes over them")
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        0.95, description="least held-out accuracy; a judge below it is refused"
    )


class PretrainedNli(NliSettings):
    """A sequence-classification NLI model from the hub or a local folder."""

    rule: ClassVar[str] = "fetch_nli"

    kind: Literal["pretrained"]
    id: str = Field(description="hub id or local folder")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    labels: list[Literal["entailment", "neutral", "contradiction"]] | None = Field(
        None, description="what its classes mean, in order, where its config.json does not say (MiniCheck's does not)"
    )

    def check_folder(self, key: str, folder: Path) -> None:
        """Refuse a model that has no classes, or does not name them, by its config.json.

        Args:
            key: config key of this model.
            folder: of the model. Another fault in its config.json is left to the job that loads it.

        Raises:
            MolmixError: it is no sequence classifier, or the meaning of its classes is not known.
        """
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            heads, names = config.get("architectures") or [], config.get("id2label") or {}
            unnamed = all(re.fullmatch(r"LABEL_\d+", name) for name in names.values())
            classifies = not heads or any(head.endswith(CLASSIFIER) for head in heads)
        except (OSError, ValueError, AttributeError, TypeError):
            return
        if not classifies:
            what = f"{str(folder)!r} is a {heads[0]}, and an NLI model is a sequence classifier (…{CLASSIFIER})"
            raise fault(f"{key}.id", what, "name a model that was trained for natural language inference")
        if unnamed and not self.labels:
            what = f"missing, and {str(folder)!r} does not say what its classes mean"
            raise fault(f"{key}.labels", what, "say it, in the order of its classes: [entailment, neutral, …]")


class CrossNliModel(PretrainedNli):
    """The NLI model of the package cross_nli ("Less for More"), with its classes in its order and no other cut-off."""

    kind: Literal["cross_nli"]  # type: ignore[assignment]
    id: str = Field("cross-encoder/nli-deberta-base", description="hub id or local folder of this model")
    revision: Revision | None = Field("main", description="commit hash or tag; `main` can change")
    labels: list[Literal["entailment", "neutral", "contradiction"]] | None = Field(  # type: ignore[assignment]
        ["contradiction", "entailment", "neutral"],
        description="what its classes mean, in order",
    )
    max_length: Annotated[Count, Field(ge=16)] = Field(
        512, description="tokens of a pair; longer ones are cut, counted"
    )
    dtype: Dtype = Field("float32", description="number format to compute in")


# Kinds of pairs that `adapted` is trained on; molmix.judges.nli.domain_pairs makes them.
PairKind = Literal[
    "itself",
    "paraphrase",
    "whole",
    "coarser",
    "class",
    "charge",
    "stereo",
    "number",
    "locant",
    "negation",
    "finer",
    "same molecule",
    "other molecule",
]


class AdaptedNli(NliSettings):
    """Another NLI model of the study, tuned in the graph on pairs that are made from training captions."""

    rule: ClassVar[str] = "adapt_nli"

    kind: Literal["adapted"]
    parent: Name = Field(description="name of the NLI model that is tuned")
    corpus: Name | None = Field(
        None, description="name of the corpus of `data.corpora` whose captions are used; null for `data.train`"
    )
    pairs: Annotated[Count, Field(ge=100)] = Field(4800, description="training pairs, the general ones included")
    general: FilePath | None = Field(
        None,
        description="JSON lines of labelled general pairs (`premise`, `hypothesis`, `label`), which are mixed in so "
        "that the model forgets nothing; null for pairs of random words, to which it keeps its own answers",
    )
    general_share: Annotated[float, Field(gt=0, lt=1)] = Field(0.25, description="share of the general pairs")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(5e-5, description="highest learning rate, of AdamW")
    parent_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="share of the parent in the average of the weights before and after the training"
    )
    leave_out: list[PairKind] = Field(
        [], description="kinds of pairs that are not trained on, to measure how well they are judged untaught"
    )

    def training(self) -> dict[str, Any]:
        """Settings of its training (arguments of :func:`molmix.judges.nli.adapt.adapt`)."""
        return self.model_dump(
            include={"pairs", "general", "general_share", "learning_rate", "parent_share", "leave_out", "max_length"}
        )


class Licence(Section):
    """What happens to judges whose NLI model cannot read the references (:mod:`molmix.judges.nli.licence`)."""

    strict: bool = Field(
        False, description="stop the study if a judge is not licensed for its main scores; else tables warn"
    )


Nli = Annotated[MadeNli | PretrainedNli | CrossNliModel | AdaptedNli, Field(discriminator="kind")]
