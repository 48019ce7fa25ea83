"""A folder of full weights: the files that hold them, and their tensors.

All readers use :func:`weight_files`. So loaders, merges, the memory check and the planner see the same tensors.
Importing this file is cheap.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.errors import MolmixError, fault, show_value
from molmix.core.files import digest, file_digest, make_again

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
SHARD_NAME = re.compile(r"[\w-][\w.-]*\.safetensors")
OWN_NAME = re.compile(r"model(-\d+-of-\d+)?\.safetensors")  # names of weights by transformers and mergekit

# Types of weights that can be merged, by safetensors' names, with PyTorch's names. Quantised types cannot be merged.
DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}

# A tensor in weights saved up to 2023. It follows from the config: transformers ignores it, mergekit leaves it out.
IGNORED = "rotary_emb.inv_freq"

HEADER_LIMIT = 100_000_000  # bytes; safetensors' own limit

# Files that no model or tokenizer is read from: weights in other formats, texts for people, images.
UNREAD = {".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".ot", ".gguf", ".md", ".png", ".jpg", ".svg"}
TEMPLATES = "additional_chat_templates"  # the only subfolder that a tokenizer is read from


def read_config(folder: Path) -> dict[str, Any]:
    """Content of a model's config.json.

    Raises:
        MolmixError: it is missing, or is not a JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise fault(folder, "holds no config.json", "name the folder of a model in safetensors, with its config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(path, f"cannot be read as JSON ({error})") from None
    if not isinstance(config, dict):
        raise damaged(path, "holds no JSON object")
    return config


def check_weights(folder: Path) -> None:
    """Refuse a folder whose files are not those of one model. It reads no tensor data and does not import torch.

    Raises:
        MolmixError: there is no readable config.json, its weights are quantised, or as :class:`Weights`.
    """
    if any(folder.glob("*.gguf")) and not (folder / SINGLE).exists() and not (folder / INDEX).exists():
        hint = "name the repository that the GGUF file was made from; or convert it: transformers reads it with "
        raise fault(folder, "holds weights as GGUF, for llama.cpp", f"{hint}`gguf_file=…` and saves safetensors")
    if quantised := read_config(folder).get("quantization_config"):
        method = quantised.get("quant_method", "") if isinstance(quantised, dict) else ""
        hint = (
            "name the model that it was made from (mostly the repository without the suffix), and set `quantize: true`"
        )
        raise fault(
            folder,
            f"holds quantised weights ({method or 'quantization_config in its config.json'}), which can neither be "
            "merged nor aligned",
            f"{hint} where the weights must be in 4 bits for an alignment",
        )
    Weights(folder)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder's weights: one file, or the shards that its index names.

    Raises:
        MolmixError: there are none, or a shard is missing or outside of the folder; or there are two sets of weights or
            an additional adapter, so that two readers could load two different models.
    """
    if (folder / ADAPTER).exists():
        what = f"{ADAPTER} lies beside full weights: loaders would put that adapter on them"
        raise fault(folder / ADAPTER, what, "move the adapter's files out of the folder, or name a folder without them")
    files = [folder / SINGLE]
    index = folder / INDEX
    if index.exists():
        files = [folder / name for name in _shards(index)]
    missing = [path for path in files if not path.is_file()]
    if missing:
        if not index.exists():
            hint = "convert the weights to safetensors, or name another model"
            raise fault(folder, f"holds no {SINGLE} and no {INDEX}", hint)
        hint = "fetch the model again; `molmix prefetch` continues with what is missing"
        raise fault(folder, f"lacks {len(missing)} of {len(files)} shards, {missing[0].name} the first", hint)
    others = sorted(path.name for path in folder.glob("model*.safetensors") if OWN_NAME.fullmatch(path.name))
    if unread := [name for name in others if folder / name not in files]:
        what = f"holds two sets of weights: {files[0].name}{' and other shards' * (len(files) > 1)}, and {unread[0]}"
        raise fault(folder, what, "remove the files of the set that is not the model")
    return files


def _shards(index: Path) -> list[str]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(index, f"is no index of shards ({error})") from None
    for name in names:
        if not SHARD_NAME.fullmatch(str(name)):
            raise damaged(index, f"names {show_value(name)}, which is no safetensors file beside it")
    if not names:
        raise damaged(index, "names no shards")
    return sorted(names)


@dataclass(frozen=True)
class Stored:
    """A stored tensor: its file, its type as named by safetensors, and its shape."""

    file: Path
    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file by name; their data are not read.

    Raises:
        MolmixError: it is not a safetensors file, or is truncated.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > HEADER_LIMIT:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        tensors = {
            name: Stored(path, str(entry["dtype"]), tuple(map(int, entry["shape"]))) for name, entry in header.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise damaged(path, f"cannot be read as safetensors ({error})") from None
    if path.stat().st_size != 8 + length + end:
        what = (
            f"cannot be read as safetensors ({path.stat().st_size} bytes, and its header tells of {8 + length + end})"
        )
        raise damaged(path, what)
    return tensors


class Weights:
    """Names, shapes and types of a folder's tensors. :meth:`tensor` reads the data of one.

    Attributes:
        folder: of the weights.
        files: their safetensors files.
        shapes: shape of each tensor by name, in order of name.
    """

    def __init__(self, folder: Path) -> None:
        """Read the headers of a folder's weights.

        Raises:
            MolmixError: as :func:`weight_files`; or a file is damaged, or two files hold the same tensor.
        """
        self.folder = folder
        self._stored: dict[str, Stored] = {}
        self.files = weight_files(folder)
        for path in self.files:
            header = read_header(path)
            if twice := sorted(header.keys() & self._stored.keys()):
                other = self._stored[twice[0]].file
                raise damaged(path, f"holds the tensor {twice[0]}, which {other.name} holds too")
            self._stored |= header
        names = sorted(name for name in self._stored if not name.endswith(IGNORED))
        self.shapes = {name: self._stored[name].shape for name in names}

    def leave_out_copies(self, tied: dict[str, str]) -> None:
        """Leave out stored copies of other tensors, as loaders do: some models are published with their output layer,
        which is their embedding.

        Args:
            tied: by name of a tensor, the tensor that it is by the config
                (:func:`molmix.models.loading.tied_tensors`). A tensor with other numbers stays.
        """
        for name, source in tied.items():
            if {name, source} <= self.shapes.keys() and self.tensor(name).equal(self.tensor(source)):
                del self.shapes[name]

    @cached_property
    def dtypes(self) -> dict[str, torch.dtype | None]:
        """Type of each tensor by name; None for a type that cannot be merged."""
        import torch

        types = {name: getattr(torch, known) for name, known in DTYPES.items()}
        return {name: types.get(self._stored[name].dtype) for name in self.shapes}

    def check_float(self) -> None:
        """Refuse weights that are mostly of a quantised type, counted by parameters."""
        sizes: Counter[torch.dtype | None] = Counter()
        for name, shape in self.shapes.items():
            sizes[self.dtypes[name]] += prod(shape)
        if next((dtype for dtype, _ in sizes.most_common(1)), None) is None:
            raise fault(self.folder, "holds no weights of a plain float type", "name a model that is not quantised")

    @property
    def parameters(self) -> int:
        """Number of parameters; tied weights are stored, and count, once."""
        return sum(map(prod, self.shapes.values()))

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor as it is stored. Its file stays open only as long as the tensor exists."""
        from safetensors import safe_open

        with safe_open(self._stored[name].file, "pt") as file:
            return file.get_tensor(name)


def cast_weights(folder: Path, dtype: torch.dtype) -> None:
    """Rewrite the files of a folder's weights in another float type, one file after the other."""
    from safetensors.torch import load_file, save_file

    files = weight_files(folder)
    for path in files:
        save_file({name: tensor.to(dtype) for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    if (index := folder / INDEX).exists():
        content = json.loads(index.read_text(encoding="utf-8"))
        size = sum(dtype.itemsize * prod(tensor.shape) for path in files for tensor in read_header(path).values())
        content["metadata"] = content.get("metadata", {}) | {"total_size": size}
        index.write_text(json.dumps(content, indent=2), encoding="utf-8")


def damaged(path: Path, what: str) -> MolmixError:
    """The error for a damaged file of weights."""
    manifest = path.parent.parent / "manifest.json"  # of a model of a run
    return fault(path, what, make_again(manifest) if manifest.exists() else "fetch or copy the model again")


def weights_digest(folder: Path) -> str:
    """Digest of all files that a model, an adapter or a tokenizer is read from (16 hex digits)."""
    return digest([(path.relative_to(folder).as_posix(), file_digest(path)) for path in _read_files(folder)])


def files_stamp(folder: Path) -> str:
    """A stamp that changes if a file of the folder is written, added or removed (16 hex digits).

    It is the key of a cache of :func:`weights_digest`, which reads every byte. It includes the time of the last change
    of each file's inode. No program can set that time, so an edited file is noticed even if its old time is restored.
    """
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in _read_files(folder)]
    times = [(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino) for name, stat in stats]
    return digest(str(folder.resolve()), times)


def _read_files(folder: Path) -> list[Path]:
    """Files that a model or a tokenizer is read from, sorted; files for people and other programs are left out."""
    files = [*folder.iterdir(), *(folder / TEMPLATES).glob("*")]
    return sorted(
        path
        for path in files
        if path.is_file() and path.suffix.lower() not in UNREAD and not path.name.startswith((".", "README", "LICENSE"))
    )
