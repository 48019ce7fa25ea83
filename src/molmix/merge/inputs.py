"""Inputs of a merge: full weights with their adapters folded in, and the folders that mergekit reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from molmix.core.progress import Progress
from molmix.models.loading import check_model, tied_tensors
from molmix.models.lora_folding import weights_of
from molmix.models.manifests import is_adapter, start_manifest, weights_path
from molmix.models.weights import Weights


@dataclass(frozen=True)
class Input:
    """A model to merge.

    Attributes:
        id: its id in the model table.
        manifests: manifests by id: its own, and for an adapter those of its starts.
        weights: its full weights, with the adapter folded in if there is one.
    """

    id: str
    manifests: dict[str, dict[str, Any]]
    weights: Weights


def read_inputs(manifests: Iterable[Path]) -> list[Input]:
    """The models of some manifests. If several have the same start, its weights are checked once.

    Raises:
        MolmixError: a manifest or weights are missing or damaged.
    """

    @cache
    def full(manifest: Path) -> Weights:
        check_model(folder := weights_path(manifest))
        weights = Weights(folder)
        weights.check_float()
        weights.leave_out_copies(tied_tensors(folder))
        return weights

    inputs = []
    for manifest in manifests:
        lineage = _lineage(manifest)
        inputs.append(Input(next(iter(lineage)), lineage, weights_of(manifest, full)))
    return inputs


def _lineage(manifest: Path) -> dict[str, dict[str, Any]]:
    """Manifests of a model and of the starts that its adapter lies on, by id."""
    facts = read_json(manifest)
    return {facts["id"]: facts} | (_lineage(start_manifest(manifest)) if is_adapter(facts) else {})


class _Loader(LazyTensorLoader):  # type: ignore[misc]  # mergekit has no types
    def __init__(self, folder: Path, checkpoint: Weights, bar: Progress) -> None:
        super().__init__(ShardedTensorIndex.from_disk(str(folder)))
        self.checkpoint, self.bar = checkpoint, bar

    def get_tensor(self, key: str, device: str = "cpu", **_: object) -> torch.Tensor:
        self.bar.update()
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
    bar = Progress(total=sum(len(one.shapes) for one in models.values()), desc="merge", unit="tensor")
    try:
        for number, (name, checkpoint) in enumerate(models.items()):
            folders[name] = folder = work / str(number)
            folder.mkdir()
            for file in checkpoint.folder.glob("[!.]*"):  # hidden files belong to molmix and Snakemake
                (folder / file.name).symlink_to(file.resolve())
            loaders[ModelReference(model=ModelPath(path=str(folder)))] = _Loader(folder, checkpoint, bar)
        yield folders
    finally:
        bar.close()
        loaders.clear()
