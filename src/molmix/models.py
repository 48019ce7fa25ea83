"""Models of the table on disk: what stands in their manifests, and how they are loaded.

A model's folder is ``results/<run>/models/<id>/``: ``manifest.json``, and ``weights/`` (full weights) or
``adapter/`` (a PEFT adapter that lies on its start), each with its tokenizer. Stages depend on manifests, which
carry the digest of the weights; they reach the weights only through :func:`load`.
"""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.errors import fault
from molmix.files import digest, file_digest, read_json, write_json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PACKAGES = ("molmix", "torch", "transformers", "trl", "peft", "mergekit", "safetensors", "tokenizers")


def write_manifest(path: Path, facts: dict[str, Any], weights: Path) -> None:
    """Write a model's manifest: what it was made from, with what, and how it went.

    Only what is the same in a rerun stands in it (wall time and memory are in ``benchmarks/``), so that a rerun
    that changes nothing leaves the same bytes and reruns nothing after it.

    Args:
        path: the manifest; the weights' path is stored relative to its folder where it lies below it.
        facts: ``id``, ``kind``, ``method``, ``parents``, ``settings``, ``seed``, … as plain JSON.
        weights: folder of full weights or of an adapter.
    """
    inside = weights.is_relative_to(path.parent)
    write_json(
        path,
        facts
        | {
            "weights": {
                "path": str(weights.relative_to(path.parent) if inside else weights),
                "digest": weights_digest(weights),
            },
            "versions": _versions() | {"python": platform.python_version()},
        },
        sealed=True,
    )


def _versions() -> dict[str, str]:
    """Versions of the packages that are installed: not every environment of `envs/` holds all of them."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def weights_digest(folder: Path) -> str:
    """Digest of all safetensors, config and tokenizer files of a folder (16 hex digits)."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".json", ".model"))
    return digest([(path.name, file_digest(path)) for path in files])


def weights_path(manifest: Path) -> Path:
    """Folder of the weights or the adapter that a manifest speaks of, to be loaded.

    Its files are read once to see that they are the same still: some seconds for 14 GB.

    Raises:
        MolmixError: the folder is gone, or its files are other ones than the manifest was written for.
    """
    weights = read_json(manifest)["weights"]
    folder = manifest.parent / weights["path"]
    again = f"delete {manifest} and run the same command again"
    if not folder.is_dir():
        raise fault(folder, "the weights of this model are gone", again)
    if weights_digest(folder) != weights["digest"]:
        raise fault(folder, f"holds other files than {manifest} tells of: damaged, or changed since", again)
    return folder


def start_manifest(manifest: Path) -> Path:
    """Manifest of the model that an aligned model's adapter lies on.

    Raises:
        MolmixError: that model's weights are other ones than the adapter was trained on.
    """
    facts = read_json(manifest)
    start = manifest.parent.parent / facts["parents"][0] / "manifest.json"
    trained_on = facts.get("inputs", {}).get("start")
    if trained_on and trained_on != (there := read_json(start)["weights"]["digest"]):
        what = f"its adapter was trained on {facts['parents'][0]} of the digest {trained_on}, which is {there} now"
        raise fault(manifest.parent, what, f"delete {manifest} to have it trained again, or restore its start")
    return start


def adapter_path(manifest: Path) -> Path:
    """Folder of an aligned model's adapter, to be loaded.

    Raises:
        MolmixError: as :func:`weights_path`; or there are no safetensors in it, where loaders would look for a pickle,
            then on the hub.
    """
    adapter = weights_path(manifest)
    if not (adapter / "adapter_model.safetensors").is_file():
        raise fault(adapter, "holds no adapter_model.safetensors", f"delete {manifest.parent}")
    return adapter


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
