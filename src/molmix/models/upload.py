"""Upload a model with its card to the hub. Nothing else depends on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from molmix.core.errors import fault
from molmix.core.files import read_json, write_json
from molmix.core.hub import without_password
from molmix.models.manifests import weights_path


def push(*, manifest: Path, card: Path, repository: str, private: bool, out: Path) -> None:
    """Upload the adapter or the weights of a model as one commit, and write down its hash.

    Args:
        manifest: of the model.
        card: its README.md.
        repository: hub id; the repository is created if there is none.
        private: whether a new repository is private.
        out: the JSON to write: ``repository``, ``commit``, ``digest`` of the weights.

    Raises:
        MolmixError: HF_TOKEN is not set or may not write there, or the hub cannot be reached.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise fault(
            "HF_TOKEN", "is not set, and an upload needs a token", "export a token that may write, then push again"
        )
    os.environ["HF_HUB_OFFLINE"] = "0"  # the user asked for an upload; read when the client is first imported
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=token)
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path in weights_path(manifest).iterdir():
                (folder / path.name).symlink_to(path.resolve())
            shutil.copyfile(card, folder / "README.md")
            info = api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Model and card of molmix")
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = "check that HF_TOKEN may write there, and `push.repository`"
        raise fault(repository, f"the hub refuses the upload ({status})", hint) from None
    except Exception as error:  # the hub client raises a family of unrelated errors
        said = without_password((str(error).splitlines() or [""])[0])
        what = f"the hub cannot be reached ({type(error).__name__}: {said})"
        raise fault(repository, what, "push from a node with a network") from None
    write_json(out, {"repository": repository, "commit": info.oid, "digest": read_json(manifest)["weights"]["digest"]})
