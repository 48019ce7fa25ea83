"""Decomposition by an instruct model on this machine that vLLM runs."""

from __future__ import annotations

from typing import Any, Literal

from molmix.generation import vllm_engine
from molmix.generation.engine import Answering
from molmix.judges.decompose import local


class VllmSettings(local.LocalSettings):
    """An instruct model on this machine that vLLM runs, on a CUDA GPU and in an environment of its own."""

    backend: Literal["vllm"]


class Asker(local.Asker):
    """Asks the model; see :class:`molmix.judges.decompose.local.Asker`."""

    def versions(self) -> dict[str, str]:
        """Versions that answers can change with; a `MolmixError` where vLLM is not installed."""
        return vllm_engine.versions()

    def writer(self, settings: dict[str, Any]) -> Answering:
        """The model, loaded; a `MolmixError` where there is no GPU."""
        return vllm_engine.Writer(self.manifest, settings, seed=0)
