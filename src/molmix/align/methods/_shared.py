"""Shared code of the alignment methods: their config section, types of rows, the adapter, and parts of presets.

A method is one file of this folder with one subclass of :class:`Alignment`. The subclass states all facts about the
method that the rest of molmix needs. The name of the file is the name of the method in the config.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, WrapValidator
from typing_extensions import TypedDict

from molmix.align.rewards import FORM, Weights, check_reward
from molmix.core.errors import fault
from molmix.core.schema import Count, Name, Section, Share
from molmix.metrics import Options
from molmix.metrics.scorer import check_columns

# The texts of a preference pair that a method trains on, by TRL's name of the data set type. The columns are
# (prompt, completion) for `prompt-completion`, (prompt, chosen, rejected) for `preference`, and
# (prompt, completion, label) with two rows per pair for `unpaired-preference`. For `prompt-only` they are (prompt,
# row), with the number of the molecule's row in the corpus: the policy writes the texts itself.
TEXTS: dict[str, tuple[str, ...]] = {
    "prompt-completion": ("chosen",),
    "preference": ("chosen", "rejected"),
    "unpaired-preference": ("chosen", "rejected"),
    "prompt-only": (),
}


def _module_names(value: Any, _: object) -> Any:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        return value
    raise ValueError("give `all-linear`, or a list of names of layers")


class Lora(TypedDict, total=False):
    """Low-rank adapter (LoRA, Hu et al. 2021, arXiv 2106.09685; PEFT). What is left out has the preset's value."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    r: Annotated[Count, Field(description="rank", strict=True)]
    alpha: Annotated[Count, Field(description="scale numerator: updates are scaled by alpha / r", strict=True)]
    dropout: Annotated[
        float,
        Field(
            ge=0, lt=1, strict=True, description="dropout before the adapter; TRL's `disable_dropout` switches it off"
        ),
    ]
    target_modules: Annotated[
        str | list[str],
        WrapValidator(_module_names),  # one message for both types
        Field(description="layers that get an adapter: `all-linear`, or their names"),
    ]
    use_dora: Annotated[
        bool, Field(strict=True, description="weight-decomposed variant (DoRA, Liu et al. 2024, arXiv 2402.09353)")
    ]
    use_rslora: Annotated[
        bool,
        Field(
            strict=True, description="scale updates by alpha / sqrt(r) (rsLoRA, Kalajdzievski 2023, arXiv 2312.03732)"
        ),
    ]
    init_lora_weights: Annotated[
        Literal["gaussian", "pissa", "olora"],
        Field(
            description="initial weights of the adapter, instead of PEFT's: normally distributed; or from those of the "
            "start, by singular values (PiSSA, Meng et al. 2024, arXiv 2404.02948) or a QR decomposition (OLoRA, "
            "Büyükakyüz 2024, arXiv 2406.01775). An adapter of the last two has twice the rank on disk"
        ),
    ]
    modules_to_save: Annotated[
        list[str], Field(description="names of layers that are trained as a whole, beside the adapter: `lm_head`")
    ]


class EarlyStopping(Section):
    """Stop a training when a metric of captions no longer improves, and keep the best weights."""

    metric: Name = Field(description="metric to stop by: one of `eval_metrics`")
    patience: Count = Field(3, description="evaluations without a better value, after which the training stops")


class JudgedPairs(Section):
    """Pairs of captions that the start samples itself: the best by a reward against the worst."""

    kind: Literal["judged"]
    samples: int = Field(4, ge=2, le=1000, description="captions that the start samples for each molecule")
    reward: Weights = Field(
        {"atomic_f1": 1.0}, min_length=1, description="what the best caption has most of, as `reward` of GRPO"
    )
    temperature: float = Field(1.0, gt=0, le=10, description="sampling temperature")

    @property
    def metrics(self) -> list[str]:
        """The terms of the reward that are metrics."""
        return [name for name in self.reward if name not in FORM]


TILE = 256, 8192  # tokens and entries of the vocabulary whose logits exist at the same time on a CPU: 8 MB in float32
MUTATING = ("pissa", "olora")  # initial weights that are taken out of the start's own weights

_PLAIN = {"use_dora": False, "use_rslora": False}
# From the code of the paper's authors. Their SFT run also uses DoRA.
PAPER_LORA: dict[str, Any] = {"r": 64, "alpha": 16, "dropout": 0.05, "target_modules": "all-linear", **_PLAIN}
# Schulman et al. 2025, "LoRA Without Regret", and TRL's guide of that name: adapters on all linear layers, alpha 32, no
# dropout. Rank 32 makes the scale alpha / r equal to 1, so rsLoRA is not needed (the paper's scale is 16 / 64 = 0.25).
# A 7B model gets about 80 million trainable weights for about a million caption tokens.
MODERN_LORA: dict[str, Any] = {"r": 32, "alpha": 32, "dropout": 0.0, "target_modules": "all-linear", **_PLAIN}


def preset(
    batch: int, accumulation: int, loss: dict[str, Any], optimisation: dict[str, Any], lora: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """One preset: settings of the TRL config (``trl``) and of the adapter (``lora``).

    Every preset has one epoch, at most 1,024 tokens per text and no gradient checkpointing.

    Args:
        batch, accumulation: rows per batch, and batches per step.
        loss: settings of the loss.
        optimisation: learning rate, schedule and gradient norm.
        lora: settings of the adapter.
    """
    trl = {
        "num_train_epochs": 1.0,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "max_length": 1024,
        **loss,
        **optimisation,
        "gradient_checkpointing": False,
    }
    return {"trl": trl, "lora": lora}


@dataclass(frozen=True)
class Variant:
    """Another loss of a method, with a name of its own in the config.

    Attributes:
        title: what its name stands for.
        formula: loss of a pair, in the notation of docs/presets.md.
        paper: its source.
        loss: settings that make it of the method's presets.
        optimisation: further settings that replace those of the preset `modern`.
    """

    title: str
    formula: str
    paper: str
    loss: dict[str, Any]
    optimisation: dict[str, Any] = field(default_factory=dict)


class Alignment(Section):
    """One way to align a policy with the preference pairs.

    Subclasses are the methods. :mod:`molmix.align.settings` makes a section of the config from each of them, with the
    types of `method`, `preset`, `reference` and `settings` filled in.

    Attributes:
        PRESETS: presets by name, each made by :func:`preset`; ``modern`` is the default one.
        VARIANTS: other losses of the method, by name.
        formula, paper: loss and source of the method, as in :class:`Variant`.
        dataset_type: key of `TEXTS`.
        token_columns: columns of the trainer's data set that, joined in this order, are the tokens of a whole text.
        has_reference: whether the loss compares the policy with a reference model.
        smallest_batch: smallest `per_device_train_batch_size` that the method can learn from.
        reserved: TRL settings that cannot be changed with this method, by name, with the reason.
        config_class, trainer_class: TRL's classes, as ``<module>.<class>``.
        bytes_on_4_bit: bytes of an adapter's weight if the start is loaded in 4 bits.
    """

    method: str
    starts: list[str] = Field(
        min_length=1,
        description="ids of the models to align: initial, merged or aligned ones. After SFT: `agnostic.sft`",
    )
    preset: str = Field("modern", description="hyperparameters to begin from (docs/presets.md)")
    reference: Literal["start", "random", "uniform"] = Field(
        "start",
        description="reference model of the preference loss: the starting model itself, random weights, or every token "
        "equally likely",
    )
    share: Share | None = Field(
        None,
        description="share of the training molecules that it sees; null is `data.subset.fraction`. Smaller shares are "
        "subsets of larger ones",
    )
    corpus: Name | None = Field(
        None,
        exclude_if=lambda corpus: corpus is None,
        description="one of `data.corpora`, whose pairs it is aligned and validated on; null is `data.train`",
    )
    rejected: Annotated[
        Annotated[Literal["preferences", "start"], Tag("name")] | Annotated[JudgedPairs, Tag("judged")],
        # By its form, so that messages are about what was written, and not about the other form.
        Discriminator(lambda rejected: "judged" if isinstance(rejected, (dict, JudgedPairs)) else "name"),
    ] = Field(
        "preferences",
        exclude_if=lambda rejected: rejected == "preferences",
        description="where rejected texts come from: as `preferences.rejected` says, or from the `start` itself, which "
        "writes them for the same molecules (on-policy pairs). `{kind: judged, samples: 4}`: chosen and rejected text "
        "are the best and the worst of several captions of the start (docs/grpo.md)",
    )
    quantize: bool = Field(False, description="QLoRA: load the starting model in 4-bit nf4; needs CUDA")
    adapter: Literal["new", "continued", "none"] = Field(
        "new",
        exclude_if=lambda adapter: adapter == "new",
        description="what is trained. `new`: a new LoRA adapter; if the start has one, that is folded into its weights "
        "first, in float32. `continued`: the adapter of the start. `none`: all weights (full fine-tuning)",
    )
    eval_metrics: list[str] = Field(
        [],
        exclude_if=lambda metrics: not metrics,
        description="metrics of captions that the policy writes for molecules of validation at each evaluation, every "
        "`settings.eval_steps` steps or every epoch: columns of the scores, such as bleu4, atomic_f1 or "
        "`<judge>.consistency`. They are in the training's log and curves, and change no weight",
    )
    eval_molecules: Count = Field(
        32,
        exclude_if=lambda number: number == 32,
        description="number of molecules of validation for `eval_metrics`, drawn with the seed",
    )
    early_stopping: EarlyStopping | None = Field(
        None,
        exclude_if=lambda stopping: stopping is None,
        description="stop when a metric of `eval_metrics` no longer improves; the weights of the best evaluation are "
        "kept. null trains to the end",
    )
    lora: Lora = Field(Lora(), description="settings of the adapter that replace the preset's")
    settings: dict[str, Any] = Field({}, description="settings of the method's TRL config that replace the preset's")

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]]
    VARIANTS: ClassVar[dict[str, Variant]] = {}
    formula: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    dataset_type: ClassVar[str]
    token_columns: ClassVar[tuple[str, ...]]
    has_reference: ClassVar[bool]
    smallest_batch: ClassVar[int] = 1
    reserved: ClassVar[dict[str, str]] = {}
    config_class: ClassVar[str]
    trainer_class: ClassVar[str]
    # TRL's SFT, DPO and KTO trainers cast an adapter on 4-bit weights to bfloat16.
    bytes_on_4_bit: ClassVar[int] = 2

    @classmethod
    def texts(cls) -> tuple[str, ...]:
        """The texts of a pair that the policy reads: ``chosen``, and ``rejected`` if the loss needs it."""
        return TEXTS[cls.dataset_type]

    @classmethod
    def texts_of_a_row(cls) -> int:
        """How many texts of a row of its data set are in one forward pass."""
        return len(cls.texts()) if cls.dataset_type == "preference" else 1

    def needs_preferences(self, direction: str) -> bool:
        """Whether it reads rejected texts of a direction that its start does not write (`mol2cap`, `cap2mol`)."""
        own = self.rejected == "start" or (isinstance(self.rejected, JudgedPairs) and direction == "mol2cap")
        return "rejected" in self.texts() and not own

    @property
    def metrics(self) -> list[str]:
        """Metrics of captions that the training computes, by their column in the scores."""
        return self.eval_metrics

    def check_metrics(self, options: Options, *, knows_facts: bool, key: str) -> None:
        """Refuse metrics that cannot be computed; see :func:`molmix.metrics.scorer.check_columns`."""
        check_columns(self.eval_metrics, options, knows_facts=knows_facts, key=f"{key}.eval_metrics")
        if isinstance(self.rejected, JudgedPairs):
            check_reward(self.rejected.reward, options, knows_facts=knows_facts, key=f"{key}.rejected.reward")

    @classmethod
    def sampled(cls, trl: dict[str, Any]) -> int:
        """Captions that the policy samples for each row of an epoch. `trl` holds all settings of the TRL config."""
        return 0

    @classmethod
    def batches(cls, rows: int, trl: dict[str, Any], processes: int) -> int:
        """Batches of an epoch, where `trl` holds the batch of each of some processes."""
        return math.ceil(rows / (trl["per_device_train_batch_size"] * processes))

    @classmethod
    def trainer(cls, arguments: dict[str, Any], *, order: Any = None, **parts: Any) -> Any:
        """Create TRL's trainer. It writes no model cards.

        Args:
            arguments: arguments of the TRL config class.
            order: sampler of training rows; None for TRL's own.
            parts: ``model``, ``processing_class``, ``train_dataset``, ``eval_dataset``, ``peft_config``, ``callbacks``,
                ``ref_model`` if the reference is not the start (for the start, TRL uses the policy with its adapter
                switched off), and those that only one method has.
        """

        use_small_tiles()

        class Trainer(load_class(cls.trainer_class)):  # type: ignore[misc]  # known when it is loaded
            def create_model_card(self, *_: Any, **__: Any) -> None:
                """Write nothing: the card of a checkpoint is not used, and takes most of a checkpoint's time."""

            def floating_point_ops(self, inputs: Any) -> int:
                """Count nothing: the count is not used, and counts the weights of the model in every step."""
                return 0

            def _get_train_sampler(self, *given: Any) -> Any:
                return super()._get_train_sampler(*given) if order is None else order

        return Trainer(args=load_class(cls.config_class)(**arguments), **parts)

    def check(self, key: str) -> None:
        """Refuse settings that contradict each other. `key` is the config key of this alignment.

        Raises:
            MolmixError: one of them has no effect.
        """
        if self.adapter != "new" and self.lora:
            raise fault(f"{key}.lora", f"with `adapter: {self.adapter}` no new adapter is made", "remove it")
        if self.adapter == "none" and self.quantize:
            raise fault(
                f"{key}.quantize", "`adapter: none` trains all weights, and not in 4 bits", "remove one of them"
            )
        from_start = self.lora.get("init_lora_weights") in MUTATING
        if from_start and (self.PRESETS[self.preset]["lora"] | self.lora)["use_dora"]:
            raise fault(f"{key}.lora.init_lora_weights", "PEFT cannot save it with DoRA", "set `use_dora: false`")
        if from_start and self.quantize:
            raise fault(f"{key}.lora.init_lora_weights", "weights in 4 bits cannot be decomposed", "remove `quantize`")
        if self.rejected == "start" and "rejected" not in self.texts():
            raise fault(f"{key}.rejected", f"`method: {self.method}` reads no rejected texts", "remove it")
        if self.early_stopping and self.early_stopping.metric not in self.eval_metrics:
            what = f"{self.early_stopping.metric!r} is not one of `eval_metrics`"
            raise fault(f"{key}.early_stopping.metric", what, "add it to `eval_metrics`")
        if self.method in self.VARIANTS and "loss_type" in self.settings:
            raise fault(
                f"{key}.settings.loss_type", f"`method: {self.method}` sets it", "remove it, or change `method`"
            )

    def check_installed(self, key: str) -> None:
        """Refuse to train without a package that is not always there. `key` is the config key of this alignment."""
        if self.quantize:
            check_bitsandbytes(f"{key}.quantize")

    def resolved(self) -> dict[str, Any]:
        """All settings of a training: the preset with the values that the config replaces, as plain JSON.

        The settings of :class:`molmix.align.evaluation.CaptionEvaluation` depend on other sections of the config, and
        are added by the model table.
        """
        chosen = self.PRESETS[self.preset]
        variant = self.VARIANTS.get(self.method)
        own = variant.loss | (variant.optimisation if self.preset == "modern" else {}) if variant else {}
        return {
            "trl": chosen["trl"] | own | self.settings,
            "lora": chosen["lora"] | self.lora if self.adapter == "new" else {},
            "method": self.method,
            "reference": self.reference,
            "quantize": self.quantize,
            "share": self.share,
            **({"corpus": self.corpus} if self.corpus else {}),
            **({"adapter": self.adapter} if self.adapter != "new" else {}),
            **self.model_dump(include={"rejected"}),
        }


def check_bitsandbytes(key: str) -> None:
    """Refuse to load weights in 4 bits without the package for it. `key` is the config key that asks for them."""
    if not find_spec("bitsandbytes"):
        raise fault(key, "the package bitsandbytes is not installed", "pip install bitsandbytes")


def use_small_tiles() -> None:
    """On a CPU, let TRL's trainers compute the logits of few tokens at a time, and only those that a loss reads.

    TRL computes log-probabilities in tiles of 4,096 tokens by 32,768 entries of the vocabulary, which is half a GB in
    float32, several times. A device without Triton also computes those of prompts and padding, because some compilers
    need tensors of one shape. On a CPU that costs time and memory. The result is the same but for rounding.
    """
    import torch
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    if not torch.cuda.is_available():
        chunked_logprob.TOKEN_CHUNK_SIZE, utils._CHUNKED_LOGPROB_CHUNK_SIZE = TILE
        utils._use_triton = lambda device: True  # read only to decide whether all tokens are scored


def load_class(name: str) -> Any:
    """The class with the name ``<module>.<class>``; imports the module."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)
