"""LoRA folding: full weights that give the same output as a start with its adapter.

Generation, merges and alignments of aligned models all fold here, in fp32. So a policy has the same weights wherever it
is read. Each tensor is computed when it is read: the folded model is neither held in memory nor written to disk. PEFT's
``merge_and_unload`` holds the whole model in fp32 (28 GB at 7B) and may rename the start's tensors. mergekit's own
folding writes the model to a cache, and identifies cached models by their path only.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from molmix.core.errors import fault
from molmix.core.files import read_json
from molmix.core.temporary import temporary_folder
from molmix.models.loading import check_adapter, weights_prefix
from molmix.models.manifests import adapter_path, is_adapter, start_manifest, weights_path
from molmix.models.precision import Erasure
from molmix.models.weights import Weights, damaged, read_header

if TYPE_CHECKING:
    from peft import LoraConfig

# Settings of an adapter that the formula below uses, or that do not affect it.
KNOWN = {"r", "lora_alpha", "use_rslora", "use_dora", "fan_in_fan_out", "lora_dropout", "target_modules"}
KNOWN |= {"task_type", "inference_mode", "base_model_name_or_path", "revision", "auto_mapping", "peft_version"}
KNOWN |= {"modules_to_save"}
# Initial weights of an adapter that leave the start as it is. Others (PiSSA, OLoRA) change the start, too.
PLAIN_INITIAL = (True, False, "gaussian")
PART = re.compile(r"base_model\.model\.(.+?)\.(lora_A\.weight|lora_B\.weight|lora_magnitude_vector|weight|bias)")


def _full_weights(manifest: Path) -> Weights:
    return Weights(weights_path(manifest))


def weights_of(manifest: Path, full: Callable[[Path], Weights] = _full_weights) -> Weights:
    """The full weights of a model of the table; :class:`FoldedWeights` if it is an adapter.

    Args:
        manifest: ``models/<id>/manifest.json``.
        full: opens the weights of a manifest that has full weights.

    Raises:
        MolmixError: weights or an adapter are missing or damaged.
    """
    if not is_adapter(read_json(manifest)):
        return full(manifest)
    return FoldedWeights(adapter_path(manifest), weights_of(start_manifest(manifest), full))


@contextmanager
def full_folder(manifest: Path, dtype: torch.dtype = torch.bfloat16) -> Iterator[Path]:
    """A folder of a model's full weights, for libraries that load nothing else.

    For an adapter, it is a temporary one in the model's folder: its folded weights are written there in `dtype`.
    """
    weights = weights_of(manifest)
    if not isinstance(weights, FoldedWeights):
        yield weights.folder
        return
    with temporary_folder(manifest.parent, "folded") as folder:
        weights.write(folder, dtype)
        yield folder


class FoldedWeights(Weights):
    """The full weights of an adapted model in fp32.

    ``W + alpha/r · B A`` for LoRA (Hu et al. 2021), with ``alpha/√r`` for rsLoRA (Kalajdzievski 2023); for DoRA
    (Liu et al. 2024) each row of that is scaled to the norm in the magnitude vector. This is the arithmetic of
    PEFT's ``Linear.merge``.

    Attributes:
        start: weights of the model that the adapter was trained on.
        adapted: the names in the model of the tensors that differ from the stored ones, by their names in the files.
    """

    def __init__(self, adapter: Path, start: Weights) -> None:
        """Read an adapter.

        Args:
            adapter: folder that PEFT saved.
            start: weights of the model that it was trained on. They can be folded themselves.

        Raises:
            MolmixError: the adapter is damaged, incomplete (:func:`molmix.models.loading.check_adapter`), of an
                unsupported kind, or does not fit the start.
        """
        self.start, self.folder, self.files, self.shapes = start, start.folder, start.files, start.shapes
        self.dtypes = dict.fromkeys(self.shapes, torch.float32)
        self._config = _config(adapter)
        check_adapter(adapter, start.folder)
        parts = _layers(adapter, self._config)
        prefix = weights_prefix(start.folder)  # the files of some models leave it out
        stored = {name if name in self.shapes else name.removeprefix(prefix): name for name in sorted(parts)}
        if unknown := sorted(stored.keys() - self.shapes.keys()):
            hint = "leave out the output layer in `lora.target_modules`, or save the start anew with transformers"
            raise fault(adapter, f"adapts {unknown[0]}, which {start.folder} lacks", hint)
        self._layers = {name: parts[stored[name]] for name in stored}
        below: dict[str, str] = start.adapted if isinstance(start, FoldedWeights) else {}
        self.adapted: dict[str, str] = below | stored

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor with the adapter folded in. It is computed at each call, which is faster than reading it."""
        weight = self.start.tensor(name).float()
        if name in self._layers:
            weight = _adapted(weight, self._layers[name], self._config)
        return weight.contiguous()  # like a tensor from a file

    def write(self, out: Path, dtype: torch.dtype) -> None:
        """Write them as a model's folder, with the config and the tokenizer of the start, a file at a time."""
        for path in self.folder.iterdir():
            if path.is_file() and path not in self.files:
                shutil.copyfile(path, out / path.name)
        for path in self.files:
            names = read_header(path).keys() & self.shapes.keys()
            tensors = {name: self.tensor(name).to(dtype) for name in sorted(names)}
            save_file(tensors, out / path.name, metadata={"format": "pt"})

    def erased(self, dtype: torch.dtype) -> float:
        """Share of the adapter's update that a cast erases, see :class:`molmix.models.precision.Erasure`."""
        erasure = Erasure(dtype)
        for name in self._layers:
            erasure.add(self.tensor(name), self.start.tensor(name).float())
        return erasure.share


def _config(adapter: Path) -> LoraConfig:
    from peft import LoraConfig, PeftConfig

    try:
        config, plain = PeftConfig.from_pretrained(str(adapter)), LoraConfig()
    except (OSError, ValueError) as error:
        raise damaged(adapter / "adapter_config.json", f"cannot be read ({error})") from None
    names = [field.name for field in fields(config) if field.name not in KNOWN]
    if getattr(config, "init_lora_weights", None) in PLAIN_INITIAL:
        names.remove("init_lora_weights")
    if unknown := [n for n in names if getattr(config, n) != getattr(plain, n, None)]:
        hint = "align with plain LoRA, rsLoRA or DoRA"
        raise fault(adapter, f"sets {', '.join(unknown)}, which cannot be folded", hint)
    return config


def _layers(adapter: Path, config: LoraConfig) -> dict[str, dict[str, torch.Tensor]]:
    """The adapter's parts (``lora_A.weight``, …), by the name of the adapted weight.

    A layer of `modules_to_save`, which was trained as a whole, has the part ``whole``.
    """
    whole = tuple(config.modules_to_save or ())  # PEFT compares the ends of names
    path = adapter / "adapter_model.safetensors"
    layers: defaultdict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    try:
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                found = PART.fullmatch(key)
                if found and found[2] in ("weight", "bias"):
                    layers[f"{found[1]}.{found[2]}"]["whole"] = file.get_tensor(key).float()
                    found = found if found[1].endswith(whole) else None
                elif found:
                    layers[found[1] + ".weight"][found[2]] = file.get_tensor(key).float()
                if not found:
                    hint = "leave embeddings and the output layer out of `lora.target_modules`"
                    raise fault(path, f"holds {key}, which cannot be folded", hint)
    except (OSError, SafetensorError) as error:
        raise damaged(path, f"cannot be read as safetensors ({error})") from None
    return dict(layers)


def _adapted(weight: torch.Tensor, parts: dict[str, torch.Tensor], config: LoraConfig) -> torch.Tensor:
    if "whole" in parts:
        return parts["whole"]
    low, high = parts["lora_A.weight"], parts["lora_B.weight"]
    rank = len(low)
    weight = weight.T if config.fan_in_fan_out else weight  # layers like GPT-2's store (in, out)
    weight = weight + high @ low * (config.lora_alpha / (sqrt(rank) if config.use_rslora else rank))
    if "lora_magnitude_vector" in parts:
        weight = weight * (parts["lora_magnitude_vector"] / torch.linalg.norm(weight, dim=1))[:, None]
    return weight.T if config.fan_in_fan_out else weight
