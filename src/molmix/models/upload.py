"""Upload a model with its card to the hub. No other step depends on it."""

from __future__ import annotations

import os
from pathlib import Path

from molmix.core.errors import fault
from molmix.core.files import read_json, write_json
from molmix.core.hub import without_password
from molmix.models.manifests import weights_path


def push(*, manifest: Path, card: Path, repository: str, private: bool, out: Path) -> None:
    """Upload the adapter or the weights of a model as one commit, and record its hash.

    Args:
        manifest: of the model.
        card: its README.md.
        repository: hub id; the repository is created if it does not exist.
        private: whether a new repository is private.
        out: the JSON to write: ``repository``, ``commit``, ``digest`` of the weights.

    Raises:
        MolmixError: HF_TOKEN is not set or has no write access, the weights are missing or damaged, or the hub cannot
            be reached.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise fault(
            "HF_TOKEN", "is not set, and an upload needs a token", "export a token that may write, then push again"
        )
    os.environ["HF_HUB_OFFLINE"] = "0"  # the user asked for an upload; the client reads this at its first import
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=token)
    files = files_to_upload(weights_path(manifest), card)
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        added = [CommitOperationAdd(name, path) for name, path in files.items()]
        info = api.create_commit(repository, added, commit_message="Model and card of molmix")
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = "check that HF_TOKEN may write there, and `push.repository`"
        raise fault(repository, f"the hub refuses the upload ({status})", hint) from None
    except Exception as error:  # the hub client raises many unrelated errors
        said = without_password((str(error).splitlines() or [""])[0])
        what = f"the hub cannot be reached ({type(error).__name__}: {said})"
        raise fault(repository, what, "push from a node with a network") from None
    write_json(out, {"repository": repository, "commit": info.oid, "digest": read_json(manifest)["weights"]["digest"]})


def files_to_upload(weights: Path, card: Path) -> dict[str, Path]:
    """The files of a model's repository by name: all files of its folder except hidden ones, and its card as README.md.

    Hidden files are written by molmix and Snakemake for themselves (:data:`molmix.core.files.MARK`).
    """
    files = {path.relative_to(weights): path for path in sorted(weights.rglob("*")) if path.is_file()}
    shown = {name.as_posix(): path for name, path in files.items() if not any(part[0] == "." for part in name.parts)}
    return shown | {"README.md": card}
