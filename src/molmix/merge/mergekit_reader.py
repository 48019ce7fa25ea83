"""What mergekit reads a merge's models through: molmix's checkpoints, which fold adapters in on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mergekit.common import ModelPath, ModelReference
from mergekit.io import LazyTensorLoader, ShardedTensorIndex
from mergekit.io.tasks import LoaderCache

from molmix.models.weights import Weights


class _Loader(LazyTensorLoader):  # type: ignore[misc]  # mergekit has no types
    def __init__(self, folder: Path, checkpoint: Weights) -> None:
        super().__init__(ShardedTensorIndex.from_disk(str(folder)))
        self.checkpoint = checkpoint

    def get_tensor(self, key: str, device: str = "cpu", **_: object) -> torch.Tensor:
        return self.checkpoint.tensor(key).to(device)


@contextmanager
def feed(models: dict[str, Weights], work: Path) -> Iterator[dict[str, Path]]:
    """Give each model a folder, by id, whose tensors mergekit gets from the checkpoint as long as the block runs.

    mergekit knows models by their folders, and two adapters on one start would share theirs: each gets one of its own
    below `work`, of links to the start's files.
    """
    loaders = LoaderCache().loaders  # kept for the life of the process, with their files open
    folders: dict[str, Path] = {}
    try:
        for number, (name, checkpoint) in enumerate(models.items()):
            folders[name] = folder = work / str(number)
            folder.mkdir()
            for file in checkpoint.folder.iterdir():
                (folder / file.name).symlink_to(file.resolve())
            loaders[ModelReference(model=ModelPath(path=str(folder)))] = _Loader(folder, checkpoint)
        yield folders
    finally:
        loaders.clear()
