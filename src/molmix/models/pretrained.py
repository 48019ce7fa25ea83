"""Pretrained models: fetched from the hub at a pinned revision, or noted where they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from molmix.core.errors import fault
from molmix.core.hub import snapshot
from molmix.models.manifests import write_manifest


def fetch(*, model_id: str, kind: str, source: str, revision: str | None, manifest: Path) -> None:
    """Make a pretrained model ready and write its manifest.

    Args:
        model_id: its id in the model table (`nli` for the judge's model).
        kind: `initial`, `nli`, `decomposer`, or `text` for a text encoder, of which config and vocabulary are wanted.
        source: hub id, or a local folder.
        revision: commit hash or tag; None for a local folder.
        manifest: the manifest to write; the weights stay in the local folder or the hub's cache.

    Raises:
        MolmixError: the model, or its revision, is not to be had, or it has no safetensors.
    """
    facts: dict[str, Any] = {"id": model_id, "kind": kind, "method": "pretrained", "parents": [], "source": source}
    folder = Path(source)
    if folder.is_dir():
        facts |= {"revision": revision}
    elif revision is None:
        raise fault(model_id, f"{source!r} is no local folder", "give a hub id its `revision`, or mend the path")
    else:
        folder = snapshot(model_id, source, revision, "tokenizer" if kind == "text" else "model")
        facts |= {"revision": revision, "commit": folder.name}  # what a tag or a branch stood for
    if kind != "text":
        check_weights(folder)
    write_manifest(manifest, facts | {"license": licence(folder)}, folder.resolve())


def licence(folder: Path) -> str:
    """What a model's card says of its licence; `unknown` where it says nothing."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    try:
        head = yaml.safe_load(text.split("---", 2)[1]) if text.startswith("---") else None
    except (yaml.YAMLError, IndexError):
        return "unknown"
    return str(head["license"]) if isinstance(head, dict) and head.get("license") else "unknown"


def check_weights(folder: Path) -> None:
    """Refuse a folder that holds no whole model, or its weights in a format that can carry code.

    Raises:
        MolmixError: there is no config.json, there are no safetensors, or a shard is missing.
    """
    if not list(folder.glob("*.safetensors")) or not (folder / "config.json").is_file():
        raise fault(folder, "holds no config.json and *.safetensors", "convert the weights, or name another model")
    index = folder / "model.safetensors.index.json"
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) if index.is_file() else set()
    except (ValueError, KeyError) as error:
        raise fault(index, f"is no index of shards ({error})", "fetch the model again") from None
    if missing := sorted(name for name in shards if not (folder / name).is_file()):
        hint = "fetch the model again; `molmix prefetch` goes on with what is missing"
        raise fault(folder, f"lacks {len(missing)} of {len(shards)} shards, {missing[0]} the first", hint)
