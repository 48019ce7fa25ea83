"""What every backend does around the writing itself: prompts to tokens, and the tokens that it wrote to answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


def ends_of(own: Any, tokenizer: Any) -> list[int]:
    """Ids of the tokens that end an answer: those of a model's own GenerationConfig, or its tokenizer's one."""
    found = own.eos_token_id if own.eos_token_id is not None else tokenizer.eos_token_id
    return [found] if isinstance(found, int) else found


class Answering(ABC):
    """A loaded model that answers batches of prompts.

    Attributes:
        tokenizer: of the model, from transformers.
        settings: ``max_new_tokens``, and what else the backend reads of the config's `generation` section.
        seed: of sampling.
        context: tokens that the model can hold.
        ends: ids of the tokens that end an answer.
    """

    tokenizer: Any
    settings: dict[str, Any]
    seed: int
    context: int
    ends: list[int]

    @abstractmethod
    def batches(self, prompts: list[str]) -> Iterator[list[str]]:
        """Prompts in the batches that they are to be answered in; the same for the same list."""

    def answers(self, batch: list[str]) -> list[dict[str, Any]]:
        """Text, number of tokens and finish of each prompt; see :func:`molmix.generation.generate.generate`."""
        prompts = self.tokenizer(batch)["input_ids"]
        limits = [min(self.settings["max_new_tokens"], self._room(len(ids))) for ids in prompts]
        fitting = [place for place, limit in enumerate(limits) if limit > 0]
        written = self._write([prompts[place] for place in fitting], [limits[place] for place in fitting])
        answers = [{"text": "", "tokens": 0, "finish": "prompt_too_long"} for _ in batch]
        for place, tokens in zip(fitting, written, strict=True):
            text = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            finish = "stop" if tokens[-1] in self.ends else "length"
            answers[place] = {"text": text.removeprefix(" "), "tokens": len(tokens), "finish": finish}
        return answers

    def _room(self, prompt: int) -> int:
        """How many tokens fit after a prompt of so many; none where it does not fit itself."""
        return self.context - prompt

    @abstractmethod
    def _write(self, prompts: list[list[int]], limits: list[int]) -> list[list[int]]:
        """Token ids written after each prompt, up to its end, which is among them, or its limit (at least 1)."""
