"""Inputs of a merge: full weights with their adapters folded in, and the folders that mergekit reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mergekit.common import ModelPath, ModelReference
from mergekit.io import LazyTensorLoader, ShardedTensorIndex
from mergekit.io.tasks import LoaderCache

from molmix.core.files import read_json
from molmix.merge.lora_folding import FoldedWeights
from molmix.models.loading import check_model
from molmix.models.manifests import start_manifest, weights_path
from molmix.models.weights import Weights


@dataclass(frozen=True)
class Input:
    """A model to merge.

    Attributes:
        id: its id in the model table.
        manifests: manifests by id: its own, and its start's if it is an adapter.
        full: its full weights; for an adapter, those of its start.
        adapter: folder of the adapter; None for a model of full weights.
    """

    id: str
    manifests: dict[str, dict[str, Any]]
    full: Weights
    adapter: Path | None

    def folded(self) -> Weights:
        """Full weights, with the adapter folded in if there is one."""
        return FoldedWeights(self.adapter, self.full.folder) if self.adapter else self.full


def read_inputs(manifests: Iterable[Path]) -> list[Input]:
    """The models of some manifests. If several have the same start, its weights are checked once.

    Raises:
        MolmixError: a manifest or weights are missing or damaged.
    """
    full = cache(_full_weights)
    return [_read_input(manifest, full) for manifest in manifests]


def _full_weights(manifest: Path) -> Weights:
    folder = weights_path(manifest)
    check_model(folder)
    return Weights(folder)


def _read_input(manifest: Path, full: Callable[[Path], Weights]) -> Input:
    facts = read_json(manifest)
    name = facts["id"]
    if facts["kind"] != "aligned":
        return Input(name, {name: facts}, full(manifest), None)
    start = _read_input(start_manifest(manifest), full)
    return Input(name, {name: facts} | start.manifests, start.full, weights_path(manifest))


class _Loader(LazyTensorLoader):  # type: ignore[misc]  # mergekit has no types
    def __init__(self, folder: Path, checkpoint: Weights) -> None:
        super().__init__(ShardedTensorIndex.from_disk(str(folder)))
        self.checkpoint = checkpoint

    def get_tensor(self, key: str, device: str = "cpu", **_: object) -> torch.Tensor:
        return self.checkpoint.tensor(key).to(device)


@contextmanager
def mergekit_folders(models: dict[str, Weights], work: Path) -> Iterator[dict[str, Path]]:
    """Folders from which mergekit reads the models, by id, while the block runs.

    mergekit identifies models by their folders, and two adapters on one start would have the same. So each model gets
    its own folder in `work`, with links to the start's files. Its tensors come from `models`.

    Args:
        models: full weights by id.
        work: an empty folder.
    """
    loaders = LoaderCache().loaders  # mergekit keeps them until the process ends, with open files
    folders: dict[str, Path] = {}
    try:
        for number, (name, checkpoint) in enumerate(models.items()):
            folders[name] = folder = work / str(number)
            folder.mkdir()
            for file in checkpoint.folder.glob("[!.]*"):  # hidden files belong to molmix and Snakemake
                (folder / file.name).symlink_to(file.resolve())
            loaders[ModelReference(model=ModelPath(path=str(folder)))] = _Loader(folder, checkpoint)
        yield folders
    finally:
        loaders.clear()
