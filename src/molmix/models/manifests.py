"""Models of the table on disk: their manifests, and the paths of their weights.

A model's folder is ``results/<run>/models/<id>/``. It holds ``manifest.json``, and ``weights/`` (full weights) or
``adapter/`` (a PEFT adapter for the start that it was trained on), each with its tokenizer. Stages depend on manifests,
which hold the digest of the weights. They load the weights only by :func:`molmix.models.loading.load`.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.core.files import make_again, read_json, write_json
from molmix.core.fingerprint import package_versions
from molmix.models.weights import weights_digest

ADAPTER = "adapter"  # folder of an adapter, in a model's folder
PACKAGES = ("molmix", "torch", "transformers", "trl", "peft", "mergekit", "safetensors", "tokenizers")


def write_manifest(path: Path, facts: dict[str, Any], weights: Path) -> None:
    """Write a model's manifest: its parents, inputs, settings and results of training.

    It holds only facts that are the same in a rerun (wall time and memory are in ``benchmarks/``). So a rerun without
    changes writes the same bytes, and no job that depends on it is rerun.

    Args:
        path: the manifest; the weights' path is stored relative to its folder if it is inside it.
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
            "versions": package_versions(PACKAGES) | {"python": platform.python_version()},
        },
        checksum=True,
    )


def weights_path(manifest: Path) -> Path:
    """Folder of the weights or the adapter that a manifest describes.

    All files are read once, to check that they are unchanged: some seconds for 14 GB.

    Raises:
        MolmixError: the folder is missing, or its files differ from the manifest's digest.
    """
    weights = read_json(manifest)["weights"]
    folder = manifest.parent / weights["path"]
    again = make_again(manifest)
    if not folder.is_dir():
        raise fault(folder, "the weights of this model are gone", again)
    if weights_digest(folder) != weights["digest"]:
        raise fault(folder, f"holds other files than {manifest} describes: damaged, or changed since", again)
    return folder


def is_adapter(facts: dict[str, Any]) -> bool:
    """Whether the weights of a manifest are an adapter, and not full weights."""
    return bool(facts["weights"]["path"] == ADAPTER)


def start_manifest(manifest: Path) -> Path:
    """Manifest of the model that an adapter was trained on: a model of full weights, or one with an adapter to fold.

    Raises:
        MolmixError: that model's weights are no longer those that the adapter was trained on.
    """
    facts = read_json(manifest)
    name = facts.get("adapts", facts["parents"][0])
    start = manifest.parent.parent / name / "manifest.json"
    trained_on = facts.get("inputs", {}).get("start")
    if trained_on and trained_on != (there := read_json(start)["weights"]["digest"]):
        what = f"its adapter was trained on {name} of the digest {trained_on}, which is {there} now"
        raise fault(manifest.parent, what, f"{make_again(manifest)}; or restore its start")
    return start


def adapter_path(manifest: Path) -> Path:
    """Folder of an aligned model's adapter.

    Raises:
        MolmixError: as :func:`weights_path`; or it has no safetensors. Loaders would then look for a pickle, and after
            that on the hub.
    """
    adapter = weights_path(manifest)
    if not (adapter / "adapter_model.safetensors").is_file():
        raise fault(adapter, "holds no adapter_model.safetensors", make_again(manifest))
    return adapter
