"""Base class of engines: it tokenizes prompts and decodes generated tokens to answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from molmix.generation.few_shot import turns_of
from molmix.models.chat import ChatFormat
from molmix.models.tokenization import decode_answer, tokenize_prompts


class Engine(ABC):
    """A loaded model that answers batches of prompts.

    Attributes:
        manifest: of the model.
        tokenizer: of the model, from transformers.
        encoder_decoder: whether the model is one.
        settings: ``max_new_tokens``, other keys of the config's `generation` section that the engine reads, and
            ``chat`` (:func:`molmix.data.prompts.chat_settings`), and ``one_line``: prompts have examples, and an answer
            ends with its first line.
        seed: of sampling.
        context: length of the model's context, in tokens.
        ends: ids of the tokens that end an answer.
        chat: the chat template that prompts are put into; None for plain prompts.
    """

    manifest: Path
    tokenizer: Any
    encoder_decoder: bool
    settings: dict[str, Any]
    seed: int
    context: int
    ends: list[int]
    chat: ChatFormat | None = None

    @abstractmethod
    def batches(self, prompts: list[str]) -> Iterator[list[str]]:
        """The prompts in batches; the same list gives the same batches."""

    def texts(self, prompts: list[str]) -> list[str]:
        """The answer to each prompt. Equal prompts are answered once."""
        found: dict[str, str] = {}
        for batch in self.batches(sorted(set(prompts))):
            found |= {prompt: answer["text"] for prompt, answer in zip(batch, self.answers(batch), strict=True)}
        return [found[prompt] for prompt in prompts]

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
            if self.settings.get("one_line"):
                text, _, more = text.strip().partition("\n")
                finish = "stop" if more else finish
            answers[index] = {"text": text, "tokens": len(tokens), "finish": finish}
        return answers

    def _set_tokenizer(self, tokenizer: Any) -> None:
        """Use a model's tokenizer, with its chat template if the settings ask for it (the key ``chat``)."""
        if "chat" in self.settings:
            self.chat = ChatFormat(tokenizer, self.settings["chat"]["system"], self.manifest)
        self.tokenizer = self.chat.tokenizer if self.chat else tokenizer

    def _tokenize(self, prompts: list[str]) -> list[list[int]]:
        if self.chat:
            examples = self.settings.get("one_line")
            prompts = [self.chat.prompt(*(turns_of(prompt) if examples else [prompt])) for prompt in prompts]
        return tokenize_prompts(self.tokenizer, prompts, self.manifest, encoder_decoder=self.encoder_decoder)

    def _is_complete(self, tokens: list[int]) -> bool:
        """Whether an answer of one line has begun a second line."""
        return bool(self.settings.get("one_line")) and "\n" in decode_answer(self.tokenizer, tokens, self.ends).strip()

    def _limit(self, prompt: int) -> int:
        """How many tokens fit after a prompt of ``prompt`` tokens; 0 or less if the prompt itself does not fit."""
        return self.context - prompt

    @abstractmethod
    def _generate(self, prompts: list[list[int]], limits: list[int]) -> list[list[int]]:
        """Token ids generated after each prompt, up to and including an end token, or up to its limit (at least 1)."""
