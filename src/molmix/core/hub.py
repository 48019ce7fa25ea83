"""Repositories of the Hugging Face hub: out of the cache where they are whole there, else over the network.

Jobs run with the hub switched off. The few that fetch look into the cache first and reach for the network only where
something is missing from it, so that after `molmix prefetch` none does. ``HF_HUB_OFFLINE=1`` forbids even that.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Literal

from molmix.core.errors import MolmixError, fault

Kind = Literal["model", "dataset", "tokenizer"]

# What is taken of a repository. Tokenizers may be JSON, word lists or sentencepiece files, and a config says what they
# are of. Of a model also its card, which says its licence, and weights as safetensors only: other formats can carry
# code. Of a data set tables, and its card, which says where its splits are.
_WORDS = ["*.json", "*.jinja", "*.model", "*.txt"]
FILES: dict[Kind, list[str]] = {
    "tokenizer": _WORDS,
    "model": [*_WORDS, "*.safetensors", "README.md"],
    "dataset": ["*.parquet", "*.csv", "*.tsv", "*.json", "*.jsonl", "*.txt", "*.arrow", "*.gz", "README.md"],
}
_ASKED = os.environ.get("HF_HUB_OFFLINE")  # what the person has set: read before any job switches the hub off


def switch_hub_off() -> None:
    """Keep this process from the hub, but for :func:`snapshot`. To be called before the hub client is imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def snapshot(key: str, repository: str, revision: str, kind: Kind) -> Path:
    """Folder of a repository's files at a revision, downloaded where the cache lacks one.

    A download that broke off goes on with the files that are missing.

    Args:
        key: what asks for it, for messages.
        repository: ``organisation/name``.
        revision: commit hash, tag or branch.
        kind: what is wanted of it; see :data:`FILES`.

    Raises:
        MolmixError: it is gated, not there, not at that revision, cannot be reached, or its download broke off.
    """
    os.environ["HF_HUB_OFFLINE"] = _ASKED or "0"  # read when the client is first imported
    from huggingface_hub import constants, get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, HFValidationError, LocalEntryNotFoundError

    of: Any = {"repo_id": repository, "revision": revision, "repo_type": "dataset" if kind == "dataset" else "model"}
    wanted = of | {"allow_patterns": FILES[kind]}
    try:
        folder = Path(snapshot_download(**wanted, local_files_only=True))
        if constants.HF_HUB_OFFLINE:
            return folder
        get_cached_repo_tree(**of)  # a cache without it cannot tell what is missing from a folder
        return folder
    except HFValidationError:
        raise fault(key, f"{repository!r} is no id of the hub", "write it as organisation/name") from None
    except (LocalEntryNotFoundError, CachedRepoTreeNotFoundError):
        if constants.HF_HUB_OFFLINE:
            what = f"{repository}@{revision} is not whole in the cache, and HF_HUB_OFFLINE forbids to fetch it"
            raise fault(key, what, "run `molmix prefetch` where there is a network, with the same HF_HOME") from None
    try:
        return Path(snapshot_download(**wanted))
    except Exception as error:  # the hub client raises a family of unrelated errors
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _told(key, f"{repository}@{revision}", repository, error) from None


def cached_folder(repository: str, revision: str | None) -> Path | None:
    """Folder of a model in the hub's cache, which holds its config.json at least; None where it does not."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _told(key: str, what: str, repository: str, error: Exception) -> MolmixError:
    """The client's error as a person can mend it."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        page = f"{constants.ENDPOINT}/{repository}"
        return fault(
            key, f"{what} is gated", f"accept its terms at {page}, and set HF_TOKEN to a token of that account"
        )
    if isinstance(error, RepositoryNotFoundError):
        hint = "check its id; where it is private, set HF_TOKEN to a token that may read it"
        return fault(key, f"the hub has no {repository}, or does not show it", hint)
    if isinstance(error, RevisionNotFoundError):
        return fault(key, f"{repository} has no such revision as that of {what}", "pin a commit that is there")
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return fault(key, f"the hub answers {status} to {what}", "check HF_TOKEN, or try again later")
    if isinstance(error, LocalEntryNotFoundError):  # what the client makes of a connection that cannot be made
        hint = "run `molmix prefetch` where there is a network, with the same HF_HOME"
        return fault(key, f"{what} is not whole in the cache, and {constants.ENDPOINT} cannot be reached", hint)
    said = (str(error).splitlines() or [""])[0]
    hint = "run it again: files that are whole are kept"
    return fault(key, f"the download of {what} broke off ({type(error).__name__}: {said})", hint)
