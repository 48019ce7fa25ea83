"""Pretrained models: fetched from the hub at a pinned revision, or noted where they lie."""

from __future__ import annotations

from pathlib import Path

from molmix.errors import fault
from molmix.models import write_manifest
from molmix.sources import allow_hub, check_weights

# safetensors only: other formats can carry code. Tokenizers may be JSON or sentencepiece files.
WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.model", "*.txt"]


def fetch(*, model_id: str, kind: str, source: str, revision: str | None, manifest: Path) -> None:
    """Make a pretrained model ready and write its manifest.

    Args:
        model_id: its id in the model table (`nli` for the judge's model).
        kind: `initial` or `nli`.
        source: hub id, or a local folder.
        revision: commit hash or tag; None for a local folder.
        manifest: the manifest to write; the weights stay in the local folder or the hub's cache.

    Raises:
        MolmixError: the model, or its revision, is not to be had, or it has no safetensors.
    """
    folder = Path(source)
    if not folder.is_dir():
        if revision is None:
            raise fault(model_id, f"{source!r} is no local folder", "give a hub id its `revision`, or mend the path")
        folder = _download(model_id, source, revision)
    folder = folder.resolve()
    check_weights(folder)
    facts = {"id": model_id, "kind": kind, "method": "pretrained", "parents": [], "source": source}
    write_manifest(manifest, facts | {"revision": revision}, folder)


def _download(model_id: str, source: str, revision: str) -> Path:
    allow_hub()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=WANTED))
    except Exception as error:  # the hub client raises a family of unrelated errors
        raise fault(
            model_id,
            f"{source}@{revision} cannot be had from the hub ({type(error).__name__}: {str(error).splitlines()[0]})",
            "check id, revision and HF_TOKEN; without a network fill the cache first (HF_HOME)",
        ) from None
