"""The trainer of GRPO: TRL's, whose captions are rewarded by :class:`molmix.align.rewards.Rewards`.

Captions are sampled anew for every step. So a step depends only on the weights, the prompts and the random state, all
of which a checkpoint restores.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler
from transformers.trainer_utils import EvalLoopOutput
from trl import GRPOConfig, GRPOTrainer

from molmix.align.rewards import Rewards
from molmix.models.tokenization import decode_answer

log = logging.getLogger(__name__)


@dataclass
class RewardConfig(GRPOConfig):
    """TRL's settings, and the length of a whole text."""

    max_length: int = field(
        default=1024,
        metadata={"help": "Maximum length of a prompt and its caption in tokens. A longer prompt is not trained."},
    )


class PromptOrder(Sampler[int]):
    """A random order of prompts: each occurs once for each of its captions, side by side, and each batch again for each
    of its parts. The rest that fills no step is left out.

    It differs from TRL's in one thing: it depends only on the seed and the epoch, so that a resumed training continues
    at the same prompt.
    """

    def __init__(self, prompts: int, of_step: int, captions: int, parts: int, seed: int) -> None:
        """
        Args:
            prompts: number of prompts.
            of_step: prompts of a step, in all processes together.
            captions: captions of a prompt.
            parts: batches of a step, each of which reads the prompts of the whole step.
            seed: seed of the order; the number of the epoch is added to it.
        """
        self.prompts, self.of_step, self.captions, self.parts = prompts, of_step, captions, parts
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Use the order of this epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.prompts // self.of_step * self.of_step * self.captions * self.parts

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(self.prompts, generator=draw).tolist()
        for begin in range(0, self.prompts - self.of_step + 1, self.of_step):
            step = order[begin : begin + self.of_step]
            for _ in range(self.parts):
                for prompt in step:
                    yield from [prompt] * self.captions


class RewardTrainer(GRPOTrainer):
    """GRPO (Shao et al. 2024, arXiv 2402.03300) with the rewards of molmix.

    Args:
        rewards: the terms of the reward.
        molecules: of the training split, as :func:`molmix.data.corpus.read_molecules` gives them.
        ref_model: not used. The reference is the policy without its adapter; without an adapter there is none
            (:meth:`molmix.align.methods.grpo.Grpo.check`).
        arguments: of TRL's trainer. The data sets have the columns prompt and row (index in `molecules`).
    """

    # The types of TRL and transformers leave out what they always are here.
    args: Any
    model: Any
    train_dataset: Any

    def __init__(
        self,
        *,
        rewards: Rewards,
        molecules: list[dict[str, Any]],
        args: RewardConfig,
        ref_model: Any = None,
        **arguments: Any,
    ) -> None:
        self.rewards, self._molecules = rewards, molecules
        self._texts: Any = arguments["processing_class"]  # the tokenizer
        self._scored: tuple[list[str], dict[str, Any]] = ([], {})
        self._seconds = {"sampling": 0.0, "update": 0.0}
        args.reward_weights = list(rewards.weights.values())
        super().__init__(reward_funcs=[self._term(name) for name in rewards.weights], args=args, **arguments)

    def _term(self, name: str) -> Any:
        """TRL's reward function of a term. The first one of a batch computes all of them."""

        def term(completion_ids: list[list[int]], row: list[int], log_metric: Any, **_: Any) -> list[float]:
            captions = self._decode(completion_ids)
            if self._scored[0] != captions:
                self._scored = captions, self.rewards.terms(captions, [self._molecules[index] for index in row])
                log_metric("distinct", len({*zip(row, captions, strict=True)}) / len(captions))
            return self._scored[1][name].tolist()

        term.__name__ = name
        return term

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:
        captions: int = self.num_generations  # type: ignore[assignment]  # the config refuses null
        batch = self.args.generation_batch_size // captions
        prompts = len(self.train_dataset if dataset is None else dataset)
        return PromptOrder(prompts, batch, captions, self.args.steps_per_generation, self.args.seed)

    # ---- time

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        begun, rewarding = time.perf_counter(), self.rewards.seconds
        inputs = super()._prepare_inputs(generation_batch)
        self._scored = ([], {})  # the same captions can be sampled for other molecules
        self._seconds["sampling"] += time.perf_counter() - begun - (self.rewards.seconds - rewarding)
        return inputs

    def training_step(self, *given: Any, **named: Any) -> torch.Tensor:
        """A step, whose time without sampling and rewards is that of the update."""
        begun, before = time.perf_counter(), self._seconds["sampling"] + self.rewards.seconds
        loss = super().training_step(*given, **named)
        others = self._seconds["sampling"] + self.rewards.seconds - before
        self._seconds["update"] += time.perf_counter() - begun - others
        return loss

    def train(self, *given: Any, **named: Any) -> Any:
        """Train, and log what took the time."""
        logging.getLogger("molmix.judges").setLevel(logging.WARNING)  # two lines for each step
        try:
            return super().train(*given, **named)
        finally:
            self._log_seconds()

    def _log_seconds(self) -> None:
        spent = {
            "sampling": self._seconds["sampling"],
            "reward": self.rewards.seconds,
            "update": self._seconds["update"],
        }
        whole = sum(spent.values()) or 1.0
        log.info("time: %s", ", ".join(f"{name} {value:.0f} s ({value / whole:.0%})" for name, value in spent.items()))

    def evaluation_loop(self, *_: Any, **__: Any) -> EvalLoopOutput:
        """Compute nothing: :class:`molmix.align.evaluation.CaptionEvaluation` scores captions."""
        return EvalLoopOutput(predictions=np.empty(0), label_ids=None, metrics={}, num_samples=0)

    def _decode(self, answers: Sequence[Sequence[int]]) -> list[str]:
        """The captions as `generate` writes them: up to the end token, without control tokens."""
        ends = self.eos_token_ids
        cut = (ids[: next((at for at, token in enumerate(ids) if token in ends), len(ids))] for ids in answers)
        return [decode_answer(self._texts, ids, ends) for ids in cut]
