"""Checks that results fit together: their recorded origins are compared with the current files and settings.

The origin of a table of scores has the checksums of its predictions, their origins have that of the model, and so on
back to the corpus and its source files. If one result was replaced, or was made with other settings than those of the
current config, every table that is made from it would be wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from molmix.core.checksum import CHECKSUM_KEY
from molmix.core.errors import fault
from molmix.core.files import digest, file_digest, make_again
from molmix.core.origin import ORIGIN_KEY, Origin, path_in_run

RESULTS = "results"
MOST_NAMED = 5  # if more files than this are stale, a message names their rules instead


def origin_of_job(rule: str, wildcards: Mapping[str, str], params: Mapping[str, Any], inputs: Iterable[Path]) -> Origin:
    """The origin of a job's outputs. Input folders are left out, because manifests have the digests of their files."""
    files = {str(path): checksum_of(path) for path in inputs if path.is_file()}
    return Origin(rule, dict(wildcards), settings_digest(params), files)


def settings_digest(params: Mapping[str, Any]) -> str:
    """Digest of a job's parameters, without `made_by` and paths below ``results/``."""
    settings = {name: value for name, value in params.items() if name != "made_by" and not _is_result(value)}
    return digest(json.loads(json.dumps(settings, default=str)))


def _is_result(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(f"{RESULTS}/")


def checksum_of(path: Path) -> str:
    """Checksum of a file: the one inside it if molmix made it, else the SHA-256 of its bytes."""
    return _checksum(path, _metadata(path))


def _checksum(path: Path, metadata: Mapping[str, str]) -> str:
    # Without the prefix that marks the checksum in a file.
    return metadata.get(CHECKSUM_KEY, "").rpartition(":")[2] or file_digest(path)


def origin_of(path: Path) -> Origin | None:
    """The origin inside a file; None if there is none."""
    return _origin(_metadata(path))


def _origin(metadata: Mapping[str, str]) -> Origin | None:
    text = metadata.get(ORIGIN_KEY)
    return Origin(**json.loads(text)) if text else None


@dataclass(frozen=True)
class Stale:
    """A result that does not match the current files or settings.

    Attributes:
        path: the result.
        rule: the rule that makes it.
        why: what does not match.
    """

    path: Path
    rule: str
    why: str


def find_stale(paths: Iterable[Path], settings: Mapping[str, str] | None = None) -> list[Stale]:
    """Results that were made from other files or with other settings than the current ones, or copied to another path.

    The check follows origins back through all results that they name. It skips files that do not exist, and results
    without an origin (those of molmix 0.1).

    Args:
        paths: files that are about to be read.
        settings: :func:`settings_digest` of jobs under the current config, by job name
            (:func:`molmix.core.origin.job_name`). Settings of other jobs are not compared.
    """
    stale = list[Stale]()
    # A file is read once, for its own origin and for the checksum that all results made from it name.
    metadata = cache(_metadata)
    checksum = cache(lambda path: _checksum(path, metadata(path)))
    waiting, seen = list(paths), set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        origin = _origin(metadata(path))
        if origin is None:
            continue
        if origin.file and origin.file != path_in_run(path):
            stale.append(Stale(path, origin.rule, f"was written as {origin.file}, and copied here"))
        if (settings or {}).get(origin.job, origin.settings) != origin.settings:
            stale.append(Stale(path, origin.rule, f"was made by {origin.job} with settings that are not today's"))
        for name, made_from in origin.inputs.items():
            source = Path(name)
            if not source.is_file():
                continue
            if checksum(source) != made_from:
                stale.append(Stale(path, origin.rule, f"was made from another {name} than the one that is there now"))
            waiting.append(source)
    return stale


def check_origins(paths: Iterable[Path], settings: Mapping[str, str] | None = None) -> None:
    """Refuse results that do not match the current files or settings; see :func:`find_stale`.

    Raises:
        MolmixError: there are such results; the message names one, the reason, and the command that makes all again.
    """
    if stale := find_stale(paths, settings):
        files = sorted({str(found.path) for found in stale})
        again = files if len(files) <= MOST_NAMED else sorted({found.rule for found in stale})
        others = f" ({len(files)} results in all are not up to date)" if len(files) > 1 else ""
        raise fault(stale[0].path, f"{stale[0].why}{others}", make_again(*again))


def _metadata(path: Path) -> dict[str, str]:
    """Checksum and origin from the metadata of a table or a manifest; empty for any other file."""
    if path.parts[:1] != (RESULTS,):
        return {}
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            found = pq.read_metadata(path).metadata or {}
        except (OSError, pa.ArrowException):  # the job that reads the table reports the error
            return {}
        entries = {key.decode(): value.decode() for key, value in found.items() if key.startswith(b"molmix.")}
    elif path.suffix == ".json":
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
    else:
        return {}
    return {key: entries[key] for key in (CHECKSUM_KEY, ORIGIN_KEY) if key in entries}
