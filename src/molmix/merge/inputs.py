"""The models that go into a merge, as folders of full weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molmix.files import read_json
from molmix.merge.checkpoint import Checkpoint
from molmix.merge.fold import fold
from molmix.models import start_manifest, weights_path


@dataclass(frozen=True)
class Input:
    """A model that goes into a merge.

    Attributes:
        id: its id in the model table.
        manifests: its own manifest by its id, and its start's where it is an adapter.
        full: its full weights, or those that its adapter lies on.
        adapter: folder of the adapter; None for a model of full weights.
    """

    id: str
    manifests: dict[str, dict[str, Any]]
    full: Checkpoint
    adapter: Path | None

    def folded(self, folder: Path) -> Checkpoint:
        """Full weights with the adapter folded in, written to `folder`; without an adapter those in place."""
        if self.adapter is None:
            return self.full
        fold(self.adapter, self.full, folder)
        return Checkpoint(folder)


def read(manifest: Path) -> Input:
    """Look a model up by its manifest.

    Raises:
        MolmixError: the manifest or the weights are gone or damaged.
    """
    facts = read_json(manifest)
    name = facts["id"]
    if facts["kind"] != "aligned":
        return Input(name, {name: facts}, Checkpoint(weights_path(manifest)), None)
    start = read(start_manifest(manifest))
    return Input(name, {name: facts} | start.manifests, start.full, weights_path(manifest))
