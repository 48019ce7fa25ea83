"""vLLM: decoders on a CUDA GPU, in an environment of its own (docs/vllm.md)."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.errors import fault
from molmix.generation.engines._kind import EngineKind

if TYPE_CHECKING:
    from molmix.generation.engine import Engine

TEMPERATURES = (0.01, 2.0)  # range in vLLM; for lower ones it silently uses 0.01
OTHERWISE = "choose transformers (`generation.engine`, or `backend` of a decomposer)"


class Vllm(EngineKind):
    """vLLM, which answers many prompts at a time on a GPU."""

    packages = ("vllm", "torch", "transformers", "tokenizers")
    module = "molmix.generation.vllm_engine"
    environment = "vllm"
    folds_on_disk = True

    def load(self, manifest: Path, settings: dict[str, Any], seed: int) -> Engine:
        """Load a model by vLLM."""
        from molmix.generation.vllm_engine import VllmEngine

        return VllmEngine(manifest, settings, seed)

    def check_installed(self, key: str = "engine") -> None:
        """Refuse to run in an environment without vLLM."""
        try:
            for name in self.packages:
                version(name)
        except PackageNotFoundError as error:
            hint = (
                f"run snakemake with `--software-deployment-method conda`, which makes envs/vllm.yaml, or {OTHERWISE}"
            )
            raise fault(key, f"'vllm' is asked for, and {error.name} is not installed here", hint) from None

    def check_temperature(self, temperature: float) -> None:
        """Refuse a temperature that vLLM would change or refuse."""
        least, most = TEMPERATURES
        if temperature and not least <= temperature <= most:
            what = f"{temperature:g}, and vLLM samples at {least:g} to {most:g}"
            hint = "choose one of these, 0 for greedy answers, or `engine: transformers`"
            raise fault("generation.temperature", what, hint)

    def check_folder(self, where: object, folder: Path) -> None:
        """Refuse an encoder-decoder model by its config.json."""
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            kind = config["model_type"] if config.get("is_encoder_decoder") else None
        except (OSError, ValueError, KeyError, AttributeError):
            return  # left to the loader
        if kind:
            raise fault(where, f"{str(folder)!r} is an encoder-decoder model ({kind}), and vLLM runs none", OTHERWISE)
