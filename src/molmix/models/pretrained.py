"""Pretrained models: fetched from the hub at a pinned revision, or used from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from molmix.core.errors import fault
from molmix.core.hub import snapshot
from molmix.models.loading import check_model
from molmix.models.manifests import write_manifest

LONGEST_LICENCE = 200  # characters
MOST_LICENCES = 10  # a card can name several


def fetch(*, model_id: str, kind: str, source: str, revision: str | None, manifest: Path) -> None:
    """Fetch a pretrained model if it is not local, check it, and write its manifest.

    Args:
        model_id: its id in the model table (`nli` for the judge's model).
        kind: `initial`, `nli`, `decomposer`, or `text` for an encoder whose config and vocabulary alone are used.
        source: hub id, or a local folder.
        revision: commit hash or tag; None for a local folder.
        manifest: the manifest to write; the weights stay in the local folder or the hub's cache.

    Raises:
        MolmixError: there is no such model or revision, or its files are not a valid model
            (:func:`molmix.models.loading.check_model`).
    """
    facts: dict[str, Any] = {"id": model_id, "kind": kind, "method": "pretrained", "parents": [], "source": source}
    folder = Path(source)
    if folder.is_dir():
        facts |= {"revision": revision}
    elif revision is None:
        raise fault(model_id, f"{source!r} is no local folder", "give a hub id its `revision`, or correct the path")
    else:
        folder = snapshot(model_id, source, revision, "tokenizer" if kind == "text" else "model")
        facts |= {"revision": revision, "commit": folder.name}  # the commit that a tag or a branch named
    if kind != "text":
        check_model(folder.resolve(), classifier=kind == "nli")
    write_manifest(manifest, facts | {"license": licence(folder)}, folder.resolve())


def licence(folder: Path) -> str:
    """The licence that a model's card states; `unknown` if it states none, or not in a valid form."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    try:
        head = yaml.safe_load(text.split("---", 2)[1]) if text.startswith("---") else None
    except (yaml.YAMLError, IndexError, RecursionError):
        return "unknown"
    stated = head.get("license") if isinstance(head, dict) else None
    stated = stated if isinstance(stated, list) else [stated]
    names = [name for name in stated if isinstance(name, str) and name]
    # With YAML aliases, a few bytes can give a list of any length.
    return ", ".join(names)[:LONGEST_LICENCE] if names and len(names) == len(stated) <= MOST_LICENCES else "unknown"
