"""Training on preference pairs without a reference model: the losses of CPO, SimPO, AlphaPO, ORPO and their kin.

TRL calls its trainers for these losses experimental and may remove them. So the losses are here, over transformers'
``Trainer``. With the settings of CPO it trains what TRL's trainer does (a test compares both).

For a pair, c and r are log p of the chosen and the rejected text: the sums over the tokens of a completion and its end
token, or their means. The loss of a batch is the mean over its pairs of one of :data:`LOSSES`, plus ``cpo_alpha`` times
the mean over all tokens of ``-log p(chosen)``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model, prepare_model_for_kbit_training
from torch.nn.functional import logsigmoid
from transformers import Trainer, TrainingArguments, set_seed
from trl.trainer.utils import add_fused_lm_head

from molmix.models.tokenization import tokenize_prompts

IGNORED = -100  # label of a token that no loss is computed for


@dataclass
class ContrastiveConfig(TrainingArguments):
    """Settings of :class:`ContrastiveTrainer`. Names are those of TRL's ``CPOConfig``."""

    learning_rate: float = field(default=1e-6, metadata={"help": "The initial learning rate for AdamW."})
    gradient_checkpointing: bool = field(default=False, metadata={"help": "Recompute activations to save memory."})
    remove_unused_columns: bool = field(default=False)
    max_length: int = field(default=1024, metadata={"help": "Maximum number of tokens of prompt and completion."})
    beta: float = field(
        default=0.1,
        metadata={"help": "Scale of the log-probabilities in the loss; for ORPO, weight of the odds ratio."},
    )
    label_smoothing: float = field(
        default=0.0, metadata={"help": "Probability that the label of a pair is wrong (sigmoid, simpo and alphapo)."}
    )
    loss_type: str = field(
        default="sigmoid",
        metadata={"help": "Type of loss to use.", "choices": ["sigmoid", "hinge", "ipo", "simpo", "alphapo", "orpo"]},
    )
    disable_dropout: bool = field(default=True, metadata={"help": "Whether to disable dropout in the model."})
    cpo_alpha: float = field(
        default=1.0, metadata={"help": "Weight of the behaviour-cloning term, which is SFT on the chosen texts."}
    )
    simpo_gamma: float = field(default=0.5, metadata={"help": "Target margin of simpo and alphapo."})
    alpha: float = field(
        default=0.0,
        metadata={"help": "Shape of the reward (AlphaPO): (1 - p^(-alpha)) / alpha instead of log p; 0 for log p."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss_type == "alphapo":
            self.cpo_alpha = 0.0
        if self.label_smoothing and LOSSES[self.loss_type].smoothed is False:
            raise ValueError(f"`label_smoothing` has no effect with `loss_type: {self.loss_type}`")


# ---- losses --------------------------------------------------------------------------------------------------------


def _sigmoid(margin: torch.Tensor, args: ContrastiveConfig) -> torch.Tensor:
    right, wrong = logsigmoid(args.beta * margin), logsigmoid(-args.beta * margin)
    return -right * (1 - args.label_smoothing) - wrong * args.label_smoothing


def _simpo(margin: torch.Tensor, args: ContrastiveConfig) -> torch.Tensor:
    return _sigmoid(margin - args.simpo_gamma / args.beta, args)


def _hinge(margin: torch.Tensor, args: ContrastiveConfig) -> torch.Tensor:
    return torch.relu(1 - args.beta * margin)


def _ipo(margin: torch.Tensor, args: ContrastiveConfig) -> torch.Tensor:
    return (margin - 1 / (2 * args.beta)) ** 2


def _orpo(log_odds: torch.Tensor, args: ContrastiveConfig) -> torch.Tensor:
    return -args.beta * logsigmoid(log_odds)


def _reward(logps: torch.Tensor, args: ContrastiveConfig) -> torch.Tensor:
    return (1 - torch.exp(-args.alpha * logps)) / args.alpha if args.alpha else logps


def _log_odds(logps: torch.Tensor, _: ContrastiveConfig) -> torch.Tensor:
    """log(p / (1 - p)) of the mean probability of a token."""
    return logps - torch.log(-torch.expm1(logps.clamp(max=-1e-7)))


@dataclass(frozen=True)
class Loss:
    """The loss of a pair.

    Attributes:
        of: the loss from the difference of the two rewards, shape (pairs,).
        reward: reward of a text from its log-probability.
        mean: whether the log-probability of a text is the mean over its tokens; otherwise the sum.
        smoothed: whether it uses ``label_smoothing``.
    """

    of: Callable[[torch.Tensor, ContrastiveConfig], torch.Tensor]
    reward: Callable[[torch.Tensor, ContrastiveConfig], torch.Tensor] = _reward
    mean: bool = False
    smoothed: bool = False


LOSSES = {
    "sigmoid": Loss(_sigmoid, smoothed=True),
    "hinge": Loss(_hinge),
    "ipo": Loss(_ipo, mean=True),
    "simpo": Loss(_simpo, mean=True, smoothed=True),
    "alphapo": Loss(_simpo, mean=True, smoothed=True),
    "orpo": Loss(_orpo, reward=_log_odds, mean=True),
}


# ---- trainer -------------------------------------------------------------------------------------------------------


class ContrastiveTrainer(Trainer):  # type: ignore[misc]  # transformers' types do not hold here
    """Trains a policy on preference pairs without a reference model."""

    loss_is_scaled_for_ga = False  # the loss of a batch is a mean; transformers averages over accumulated batches

    def __init__(
        self,
        *,
        model: Any,
        args: ContrastiveConfig,
        processing_class: Any,
        train_dataset: Dataset,
        eval_dataset: Dataset | None = None,
        peft_config: Any = None,
        callbacks: list[Any] | None = None,
    ) -> None:
        """
        Args:
            model: the policy, or the start for a new adapter.
            args: settings.
            processing_class: tokenizer with a padding token.
            train_dataset, eval_dataset: rows of texts, columns ``prompt``, ``chosen``, ``rejected``.
            peft_config: config of the new adapter; None to train the given model.
            callbacks: callbacks of the trainer.
        """
        set_seed(args.seed)  # an adapter begins with random weights
        if peft_config is not None and "lm_head" in (peft_config.target_modules or ()):
            raise ValueError("an adapter on `lm_head` would not be trained; remove it from `target_modules`")
        base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        add_fused_lm_head(base, outputs=("log_probs", "mean_logits"))
        if peft_config is not None:
            model = _with_adapter(model, peft_config, args)
        if args.disable_dropout:
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        self._logged: dict[str, defaultdict[str, list[float]]] = {mode: defaultdict(list) for mode in ("train", "eval")}
        tokenize = partial(_tokenize, tokenizer=processing_class, limit=args.max_length)
        super().__init__(
            model=model,
            args=args,
            processing_class=processing_class,
            data_collator=partial(_collate, pad=processing_class.pad_token_id),
            train_dataset=tokenize(train_dataset),
            eval_dataset=tokenize(eval_dataset) if eval_dataset is not None else None,
            callbacks=callbacks,
        )
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Loss of a batch, see the head of this file."""
        loss, numbers = self._loss_of(model, inputs)
        logged = self._logged["train" if model.training else "eval"]
        for name, value in numbers.items():
            logged[name].append(self.accelerator.gather_for_metrics(value.detach()).mean().item())
        return (loss, numbers) if return_outputs else loss

    def _loss_of(self, model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        args: Any = self.args
        ids, attention, labels = (
            torch.cat([inputs[f"{side}_{part}"] for side in ("chosen", "rejected")])
            for part in ("input_ids", "attention_mask", "labels")
        )
        # Both are zero where no label is, and the logits of all tokens never exist at the same time.
        found = model(input_ids=ids, attention_mask=attention, labels=labels, fused_lm_head=True)
        sums, lengths = found.log_probs.sum(1), (labels[:, 1:] != IGNORED).sum(1)
        kind = LOSSES[args.loss_type]
        chosen, rejected = (sums / lengths if kind.mean else sums).chunk(2)
        rewards = [kind.reward(side, args) for side in (chosen, rejected)]
        pairs = len(chosen)
        cloning = -sums[:pairs].sum() / lengths[:pairs].sum() if args.cpo_alpha else sums.new_zeros(())
        loss = kind.of(rewards[0] - rewards[1], args).mean() + args.cpo_alpha * cloning
        good, bad = (args.beta * reward for reward in rewards)
        numbers = {
            "rewards/chosen": good,
            "rewards/rejected": bad,
            "rewards/accuracies": (good > bad).float(),
            "rewards/margins": good - bad,
            "logps/rejected": rejected,
            "logps/chosen": chosen,
            "logits/rejected": found.mean_logits[pairs:].sum() / lengths[pairs:].sum(),
            "logits/chosen": found.mean_logits[:pairs].sum() / lengths[:pairs].sum(),
            "nll_loss": cloning,
        }
        return loss, numbers

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """Loss of a validation batch."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            return self.compute_loss(model, inputs).detach(), None, None

    def log(self, logs: dict[str, float], *given: Any) -> None:
        """Add the means since the last log."""
        mode = "train" if "loss" in logs else "eval"
        prefix = "" if mode == "train" else "eval_"
        logs |= {f"{prefix}{name}": sum(values) / len(values) for name, values in self._logged[mode].items()}
        self._logged[mode].clear()
        super().log(logs, *given)


def _with_adapter(model: Any, peft_config: Any, args: ContrastiveConfig) -> Any:
    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=args.gradient_checkpointing)
    elif args.gradient_checkpointing:
        model.enable_input_require_grads()
    return get_peft_model(model, peft_config)


def _tokenize(rows: Dataset, tokenizer: Any, limit: int) -> Dataset:
    """Token ids and labels of both texts of each row: prompt, completion and end token, cut at `limit`."""
    prompts = tokenize_prompts(tokenizer, rows["prompt"], "the rows")
    columns: dict[str, list[list[int]]] = {}
    for side in ("chosen", "rejected"):
        texts = [row["prompt"] + row[side] + tokenizer.eos_token for row in rows]
        wholes = [ids[:limit] for ids in tokenizer(texts)["input_ids"]]
        columns[f"{side}_input_ids"] = wholes
        columns[f"{side}_labels"] = [
            [IGNORED] * len(prompt) + ids[len(prompt) :] for prompt, ids in zip(prompts, wholes, strict=True)
        ]
    return Dataset.from_dict(columns)


def _collate(rows: list[dict[str, list[int]]], pad: int) -> dict[str, torch.Tensor]:
    """A batch: by side, ids, attention mask and labels of shape (rows, longest text), padded at the end."""
    width = max(len(row[f"{side}_input_ids"]) for row in rows for side in ("chosen", "rejected"))
    batch = {}
    for side in ("chosen", "rejected"):
        for part, filler in (("input_ids", pad), ("labels", IGNORED)):
            texts = [row[f"{side}_{part}"] for row in rows]
            batch[f"{side}_{part}"] = torch.tensor([ids + [filler] * (width - len(ids)) for ids in texts])
        lengths = torch.tensor([len(row[f"{side}_input_ids"]) for row in rows])
        batch[f"{side}_attention_mask"] = (torch.arange(width) < lengths[:, None]).long()
    return batch
