"""How models of the table are loaded."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.errors import fault
from molmix.core.files import read_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
from molmix.models.manifests import adapter_path, start_manifest, weights_path


def load(
    manifest: Path, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model of the table, an adapter onto its start, in eval mode.

    Args:
        manifest: ``models/<id>/manifest.json``.
        dtype: of the weights; default bfloat16 on CUDA, float32 elsewhere.
        device: default CUDA where there is one.

    Raises:
        MolmixError: weights are gone, cannot be loaded, or do not fit into the memory that is free.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    device = device or default_device()
    dtype = dtype or default_dtype(device)
    if read_json(manifest)["kind"] == "aligned":
        from peft import PeftModel

        adapter = adapter_path(manifest)
        start, tokenizer = load(start_manifest(manifest), dtype, device)
        try:
            adapted: Any = PeftModel.from_pretrained(start, adapter)
        except (OSError, ValueError, SafetensorError) as error:
            raise fault(adapter, f"cannot be loaded as an adapter ({error})", f"delete {manifest.parent}") from None
        return adapted.eval(), tokenizer
    folder = weights_path(manifest)
    check_memory(folder, dtype.itemsize, device)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model: Any = auto.from_pretrained(folder, dtype=dtype, use_safetensors=True, trust_remote_code=False)
        return model.to(device).eval(), AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, SafetensorError) as error:
        raise fault(folder, f"cannot be loaded as a language model ({error})", f"delete {manifest.parent}") from None


def check_memory(folder: Path, width: float, device: torch.device | str) -> None:
    """Refuse weights that do not fit, by their headers, before any of them is read.

    Args:
        folder: of full weights.
        width: bytes of a number once it is loaded.
        device: where to.

    Raises:
        MolmixError: more is needed than is free. What is free is not known of every system; then nothing is refused.
    """
    needed, free = width * _parameters(folder), _free(device)
    if free is not None and needed > free:
        what = f"needs {needed / 1e9:.1f} GB for its weights alone, and {free / 1e9:.1f} GB are free ({device})"
        raise fault(folder, what, "run it where there is more memory, or ask for more (`mem_mb`, `hardware`)")


def _parameters(folder: Path) -> int:
    """How many numbers the safetensors of a folder say that they hold; what is no such file is left to the loader."""
    total = 0
    for path in folder.glob("*.safetensors"):
        try:
            with path.open("rb") as stream:
                header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
            total += sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
        except (OSError, ValueError, KeyError, OverflowError, MemoryError, AttributeError):
            continue
    return total


def _free(device: torch.device | str) -> int | None:
    """Bytes that are free on a device: those of this job's control group, where that is the narrower bound."""
    if str(device).startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):  # no Linux
        return None
    try:
        place = Path("/proc/self/cgroup").read_text(encoding="utf-8").strip().rpartition(":")[2].lstrip("/")
        group = Path("/sys/fs/cgroup") / place
        most = int((group / "memory.max").read_text(encoding="utf-8"))
        counts = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
        return min(free, most - int(counts["anon"]))  # cached files make room when it is needed
    except (OSError, ValueError, KeyError):  # no such group, or no bound ("max")
        return free


def default_device() -> str:
    """``cuda`` where there is a GPU, ``cpu`` elsewhere."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def default_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 on CUDA; float32 on a CPU, where bfloat16 is slow without special instructions."""
    import torch

    return torch.bfloat16 if str(device).startswith("cuda") else torch.float32
