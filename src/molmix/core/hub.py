"""Access to repositories of the Hugging Face hub: from the cache if they are complete, else over the network.

Jobs run offline. The few jobs that download check the cache first, and use the network only for missing files. After
`molmix prefetch` no file is missing. ``HF_HUB_OFFLINE=1`` forbids all downloads.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from molmix.core.errors import MolmixError, fault

Kind = Literal["model", "dataset", "tokenizer"]

# Files to download from a repository. Tokenizers are JSON, word lists or sentencepiece files. A model's card holds its
# licence. Weights are safetensors only, because other formats can contain code. The card of a data set lists the files
# of its splits.
_WORDS = ["*.json", "*.jinja", "*.model", "*.txt"]
FILES: dict[Kind, list[str]] = {
    "tokenizer": _WORDS,
    "model": [*_WORDS, "*.safetensors", "README.md"],
    "dataset": ["*.parquet", "*.csv", "*.tsv", "*.json", "*.jsonl", "*.txt", "*.arrow", "*.gz", "README.md"],
}
_ASKED = os.environ.get("HF_HUB_OFFLINE")  # the user's value, read before a job sets the variable
_imported_off = False  # whether the client of the hub is first imported after `switch_hub_off`


def switch_hub_off() -> None:
    """Block network access to the hub, except in :func:`snapshot`. Call this before the hub client is imported."""
    global _imported_off  # noqa: PLW0603
    _imported_off |= "huggingface_hub" not in sys.modules
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def snapshot(key: str, repository: str, revision: str, kind: Kind) -> Path:
    """Folder of a repository's files at a revision. Files that are not in the cache are downloaded.

    An interrupted download continues with the missing files.

    Args:
        key: config key that names the repository, for messages.
        repository: ``organisation/name``.
        revision: commit hash, tag or branch.
        kind: which files are needed; see :data:`FILES`.

    Raises:
        MolmixError: the repository is gated, it or the revision does not exist, or the hub cannot be reached.
    """
    os.environ["HF_HUB_OFFLINE"] = _ASKED or "0"
    from huggingface_hub import constants, get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, HFValidationError, LocalEntryNotFoundError

    if _imported_off and not _ASKED:  # the client reads the variable at its import, which was in the job server
        constants.HF_HUB_OFFLINE = False
    for logger in (logging.getLogger(), logging.getLogger("huggingface_hub")):  # the client logs URLs
        for handler in logger.handlers:
            handler.addFilter(_hide_password)
    of: Any = {"repo_id": repository, "revision": revision, "repo_type": "dataset" if kind == "dataset" else "model"}
    wanted = of | {"allow_patterns": FILES[kind]}
    try:
        folder = Path(snapshot_download(**wanted, local_files_only=True))
        if constants.HF_HUB_OFFLINE:
            return folder
        get_cached_repo_tree(**of)  # without this file list, the cache cannot know which files are missing
        return folder
    except HFValidationError:
        raise fault(key, f"{repository!r} is no id of the hub", "write it as organisation/name") from None
    except (LocalEntryNotFoundError, CachedRepoTreeNotFoundError):
        if constants.HF_HUB_OFFLINE:
            what = f"{repository}@{revision} is not complete in the cache, and HF_HUB_OFFLINE forbids to download it"
            raise fault(key, what, _prefetch(of)) from None
    try:
        return Path(snapshot_download(**wanted))
    except Exception as error:  # the hub client raises many unrelated errors
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _explained(key, of, error) from None


def cached_folder(repository: str, revision: str | None) -> Path | None:
    """Folder of a model in the hub's cache; None if its config.json is not there. Other files may be missing."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _prefetch(of: dict[str, str]) -> str:
    """How to get a repository into the cache."""
    one = "`hf download {repo_id} --revision {revision} --repo-type {repo_type}` for this one".format(**of)
    return f"where there is a network, and with the same HF_HOME, run `molmix prefetch` for a whole study, or {one}"


def _explained(key: str, of: dict[str, str], error: Exception) -> MolmixError:
    """The client's error as a message with a hint."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    endpoint, repository = without_password(constants.ENDPOINT), of["repo_id"]
    what = f"{repository}@{of['revision']}"
    if isinstance(error, GatedRepoError):
        hint = f"accept its terms at {endpoint}/{repository}, and set HF_TOKEN to a token of that account"
        return fault(key, f"{what} is gated", hint)
    if isinstance(error, RepositoryNotFoundError):
        hint = "check its id; where it is private, set HF_TOKEN to a token that may read it"
        return fault(key, f"the hub has no {repository}, or does not show it", hint)
    if isinstance(error, RevisionNotFoundError):
        return fault(key, f"{repository} has no such revision as that of {what}", "pin a commit that is there")
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return fault(key, f"the hub answers {status} to {what}", "check HF_TOKEN, or try again later")
    if isinstance(error, LocalEntryNotFoundError):  # the client raises this if it cannot connect
        what = f"{what} is not complete in the cache, and {endpoint} cannot be reached"
        return fault(key, what, _prefetch(of))
    said = without_password((str(error).splitlines() or [""])[0])
    hint = "run it again: complete files are kept"
    return fault(key, f"the download of {what} broke off ({type(error).__name__}: {said})", hint)


def without_password(text: str) -> str:
    """The text without the user name and password that the hub's URL (``HF_ENDPOINT``) may contain."""
    login, _, _ = urlsplit(os.environ.get("HF_ENDPOINT", "")).netloc.rpartition("@")
    return text.replace(f"{login}@", "").replace(login, "") if login else text


def _hide_password(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_password(record.getMessage()), ()
    return True
