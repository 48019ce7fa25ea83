"""A folder of full weights: safetensors, one file or sharded, read one tensor at a time."""

from __future__ import annotations

import json
import re
from collections import Counter
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from molmix.core.errors import MolmixError, fault, show_value

# Safetensors' names of the types that weights can be merged in; quantised ones cannot.
DTYPES = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}

# In checkpoints up to 2023: follows from the config; transformers ignores it, mergekit leaves it out.
IGNORED = "rotary_emb.inv_freq"


class Checkpoint:
    """Names, shapes and types of a folder's tensors; the numbers are memory-mapped when asked for.

    Attributes:
        folder: where it lies.
        shapes: shape of each tensor by name, in order of name.
        dtypes: type of each tensor by name; None for a type that weights cannot be merged in.
        dtype: the type that most numbers are stored in.
    """

    def __init__(self, folder: Path) -> None:
        """Read the headers of a folder's safetensors.

        Raises:
            MolmixError: there are none, a shard is missing or cut short, or the weights are quantised.
        """
        self.folder = folder
        self._files: dict[str, Path] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, torch.dtype | None] = {}
        for path in _files(folder):
            try:
                with safe_open(path, "pt") as file:
                    for name in file.keys():  # noqa: SIM118 (no mapping)
                        header = file.get_slice(name)
                        self._files[name] = path
                        self.shapes[name] = tuple(header.get_shape())
                        self.dtypes[name] = DTYPES.get(header.get_dtype())
            except (OSError, SafetensorError) as error:
                raise damaged(path, f"cannot be read as safetensors ({error})") from None
        self.shapes = {n: self.shapes[n] for n in sorted(self.shapes) if not n.endswith(IGNORED)}
        sizes: Counter[torch.dtype | None] = Counter()
        for name, shape in self.shapes.items():
            sizes[self.dtypes[name]] += prod(shape)
        dtype = next((dtype for dtype, _ in sizes.most_common(1)), None)
        if dtype is None:
            raise fault(folder, "holds no weights of a plain float type", "name a model that is not quantised")
        self.dtype = dtype

    @property
    def parameters(self) -> int:
        """How many numbers the weights are; tied ones are stored, and count, once."""
        return sum(map(prod, self.shapes.values()))

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor as it is stored; its file stays open for as long as the tensor lives, and no longer."""
        with safe_open(self._files[name], "pt") as file:
            return file.get_tensor(name)


def _files(folder: Path) -> list[Path]:
    """The file or the shards of a folder, by the rule of transformers and mergekit."""
    files = [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError) as error:
            raise damaged(index, f"is no index of shards ({error})") from None
        for name in shards:
            if not re.fullmatch(r"[\w-][\w.-]*\.safetensors", str(name)):
                raise damaged(index, f"names {show_value(name)}, which is no safetensors file beside it")
        files = [folder / name for name in sorted(shards)]
    for path in files:
        if not path.is_file():
            raise damaged(path, "is missing")
    return files


def damaged(path: Path, what: str) -> MolmixError:
    """The fault of a file of weights that is not as it was written."""
    return fault(path, what, "have the model made or fetched again: delete its manifest.json")
