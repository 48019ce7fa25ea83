"""The models that go into a merge, as full weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from molmix.core.files import read_json
from molmix.merge.lora_folding import Folded
from molmix.models.loading import check_model
from molmix.models.manifests import start_manifest, weights_path
from molmix.models.weights import Weights


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
    full: Weights
    adapter: Path | None

    def folded(self) -> Weights:
        """Full weights, with the adapter folded in where there is one."""
        return Folded(self.adapter, self.full.folder) if self.adapter else self.full


def read(manifests: Iterable[Path]) -> list[Input]:
    """Look models up by their manifests; weights that several of them are made of are read through once.

    Raises:
        MolmixError: a manifest or weights are gone or damaged.
    """
    full = cache(_full_weights)
    return [_read(manifest, full) for manifest in manifests]


def _full_weights(manifest: Path) -> Weights:
    folder = weights_path(manifest)
    check_model(folder)
    return Weights(folder)


def _read(manifest: Path, full: Callable[[Path], Weights]) -> Input:
    facts = read_json(manifest)
    name = facts["id"]
    if facts["kind"] != "aligned":
        return Input(name, {name: facts}, full(manifest), None)
    start = _read(start_manifest(manifest), full)
    return Input(name, {name: facts} | start.manifests, start.full, weights_path(manifest))
