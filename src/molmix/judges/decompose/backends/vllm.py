"""Decomposition by an instruct model on this machine that vLLM runs."""

from __future__ import annotations

from typing import ClassVar, Literal

from molmix.judges.decompose.backends._local import LocalSettings


class VllmSettings(LocalSettings):
    """An instruct model on this machine that vLLM runs, on a CUDA GPU and in an environment of its own."""

    backend: Literal["vllm"]

    environment: ClassVar[str] = "vllm"
