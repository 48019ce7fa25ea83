"""Decomposition by a model on any server with OpenAI's chat completions API (:mod:`molmix.models.endpoint`)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from molmix.core.fingerprint import code_digest
from molmix.core.schema import Count
from molmix.judges.decompose.backends._decomposer import ModelSettings
from molmix.judges.decompose.prompt import PROMPT, Prompt, conversation
from molmix.models.endpoint import ServerAsker, ServerSettings


class OpenAISettings(ServerSettings, ModelSettings):
    """A model behind a server that speaks OpenAI's chat completions."""

    backend: Literal["openai"]
    max_new_tokens: Count = Field(1024, description="longest answer; captions whose answer is cut are left to `rules`")
    prompt: Prompt = Field(PROMPT, description="holds {caption} once, or names a preset (`cross_nli`)")

    def asker(self, cache: Path, weights: Path | None) -> ServerAsker:
        """The object that asks the server."""
        code = code_digest(__name__, "molmix.judges.decompose.prompt")
        return ServerAsker(self.model_dump(), partial(conversation, self.prompt), prompt=self.prompt, code=code)
