"""Decomposition by an instruct model on this machine that transformers runs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Literal

from molmix.generation.engine import Answering
from molmix.judges.decompose import local

PACKAGES = ("torch", "transformers", "tokenizers")  # what answers can change with


class TransformersSettings(local.LocalSettings):
    """An instruct model on this machine: no server, no key; a GPU for anything but a small one."""

    backend: Literal["transformers"]


class Asker(local.Asker):
    """Asks the model; see :class:`molmix.judges.decompose.local.Asker`."""

    def versions(self) -> dict[str, str]:
        """Versions that answers can change with."""
        return {name: version(name) for name in PACKAGES}

    def writer(self, settings: dict[str, Any]) -> Answering:
        """The model, loaded."""
        from molmix.generation.transformers_engine import Writer

        return Writer(self.manifest, settings, seed=0)
