"""Decomposition by an instruct model on this machine that vLLM runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from molmix.generation import vllm_engine
from molmix.generation.engine import Engine
from molmix.judges.decompose.backends._local import LocalSettings


class VllmSettings(LocalSettings):
    """An instruct model on this machine that vLLM runs, on a CUDA GPU and in an environment of its own."""

    backend: Literal["vllm"]

    environment: ClassVar[str] = "vllm"

    def versions(self) -> dict[str, str]:
        """Versions of the libraries; a `MolmixError` where vLLM is not installed."""
        return vllm_engine.versions()

    def writer(self, manifest: Path, settings: dict[str, Any]) -> Engine:
        """The model, loaded; a `MolmixError` where there is no GPU."""
        return vllm_engine.VllmEngine(manifest, settings, seed=0)

    def check_folder(self, key: str, folder: Path) -> None:
        """Only decoders are served."""
        vllm_engine.check_decoder(key, folder)
