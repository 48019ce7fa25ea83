"""What every engine does around generation itself: prompts to tokens, and the tokens that it generates to answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from molmix.core.fingerprint import device_name, environment
from molmix.models.tokenization import decode_answer, tokenize_prompts

# What answers are computed by, whatever the engine.
CODE = ("molmix.generation.engine", "molmix.models.loading", "molmix.models.tokenization", "molmix.models.weights")


class Engine(ABC):
    """A loaded model that answers batches of prompts.

    Attributes:
        manifest: of the model.
        tokenizer: of the model, from transformers.
        encoder_decoder: whether the model is one.
        settings: ``max_new_tokens``, and what else the engine reads of the config's `generation` section.
        seed: of sampling.
        context: tokens that the model can hold.
        ends: ids of the tokens that end an answer.
    """

    manifest: Path
    tokenizer: Any
    encoder_decoder: bool
    settings: dict[str, Any]
    seed: int
    context: int
    ends: list[int]

    @abstractmethod
    def batches(self, prompts: list[str]) -> Iterator[list[str]]:
        """Prompts in the batches that they are to be answered in; the same for the same list."""

    def answers(self, batch: list[str]) -> list[dict[str, Any]]:
        """Text, number of tokens and finish of each prompt; see :func:`molmix.generation.generate.generate`."""
        prompts = self._tokenize(batch)
        limits = [min(self.settings["max_new_tokens"], self._limit(len(ids))) for ids in prompts]
        fitting = [index for index, limit in enumerate(limits) if limit > 0]
        generated = self._generate([prompts[index] for index in fitting], [limits[index] for index in fitting])
        answers = [{"text": "", "tokens": 0, "finish": "prompt_too_long"} for _ in batch]
        for index, tokens in zip(fitting, generated, strict=True):
            text = decode_answer(self.tokenizer, tokens, self.ends)
            finish = "stop" if tokens[-1] in self.ends else "length"
            answers[index] = {"text": text, "tokens": len(tokens), "finish": finish}
        return answers

    def _tokenize(self, prompts: list[str]) -> list[list[int]]:
        return tokenize_prompts(self.tokenizer, prompts, self.manifest, encoder_decoder=self.encoder_decoder)

    def _limit(self, prompt: int) -> int:
        """How many tokens fit after a prompt of so many; none where it does not fit itself."""
        return self.context - prompt

    @abstractmethod
    def _generate(self, prompts: list[list[int]], limits: list[int]) -> list[list[int]]:
        """Token ids generated after each prompt, up to its end, which is among them, or its limit (at least 1)."""


def engine_environment(engine: str) -> dict[str, Any]:
    """Code, libraries and hardware that an engine's answers depend on, for a cache's key.

    Args:
        engine: ``transformers`` or ``vllm``.

    Raises:
        MolmixError: it is not installed here.
    """
    if engine == "vllm":
        from molmix.generation import vllm_engine

        vllm_engine.versions()
        packages, code = vllm_engine.PACKAGES, "molmix.generation.vllm_engine"
    else:
        packages, code = ("torch", "transformers", "tokenizers", "peft"), "molmix.generation.transformers_engine"
    dtype = "float32" if device_name().startswith("cpu") else "bfloat16"  # see `models.loading.default_dtype`
    return environment(code=(*CODE, code), packages=packages, dtype=dtype)


def load_engine(engine: str, manifest: Path, settings: dict[str, Any], seed: int) -> Engine:
    """A model, loaded by an engine; see :func:`molmix.generation.generate.generate` for the arguments.

    Raises:
        MolmixError: as :func:`molmix.models.loading.load`; or the engine cannot run the model here.
    """
    if engine == "vllm":
        from molmix.generation.vllm_engine import VllmEngine

        return VllmEngine(manifest, settings, seed)
    from molmix.generation.transformers_engine import TransformersEngine

    return TransformersEngine(manifest, settings, seed)
