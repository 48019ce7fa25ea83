"""Pretrained models: fetched from the hub at a pinned revision, or noted where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from molmix.errors import fault
from molmix.hub import snapshot
from molmix.models import write_manifest
from molmix.sources import check_weights


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
