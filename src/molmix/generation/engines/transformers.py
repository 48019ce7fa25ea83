"""Hugging Face transformers: every model that it loads, on a CPU or one GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.generation.engines._kind import EngineKind

if TYPE_CHECKING:
    from molmix.generation.engine import Engine


class Transformers(EngineKind):
    """The default engine."""

    packages = ("torch", "transformers", "tokenizers", "peft")
    module = "molmix.generation.transformers_engine"

    def load(self, manifest: Path, settings: dict[str, Any], seed: int) -> Engine:
        """Load a model by transformers."""
        from molmix.generation.transformers_engine import TransformersEngine

        return TransformersEngine.load(manifest, settings, seed)
