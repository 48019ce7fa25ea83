"""Decomposition by an instruct model on this machine that transformers runs."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from molmix.generation.engine import Engine
from molmix.judges.decompose.backends._local import LocalSettings

PACKAGES = ("torch", "transformers", "tokenizers")  # what answers can change with


class TransformersSettings(LocalSettings):
    """An instruct model on this machine: no server, no key; a GPU for anything but a small one."""

    backend: Literal["transformers"]

    def versions(self) -> dict[str, str]:
        """Versions of the libraries."""
        return {name: version(name) for name in PACKAGES}

    def writer(self, manifest: Path, settings: dict[str, Any]) -> Engine:
        """The model, loaded."""
        from molmix.generation.transformers_engine import TransformersEngine

        return TransformersEngine(manifest, settings, seed=0)
