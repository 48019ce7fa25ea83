"""Results that do not fit together are refused: their origins are followed back and compared with what is there now.

A table of scores names the predictions that it was made from, by their checksums; these name their model, and so on
back to the corpus and its source files. One result that was replaced, or that was made with other settings than those
of today's config, makes every table that would be built on it wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molmix.core.checksum import CHECKSUM_KEY
from molmix.core.errors import fault
from molmix.core.files import digest, file_digest, make_again
from molmix.core.origin import ORIGIN_KEY, Origin, path_in_run

RESULTS = "results"
MOST_NAMED = 5  # stale files that a message names; of more it names the rules


def origin_of_job(rule: str, wildcards: Mapping[str, str], params: Mapping[str, Any], inputs: Iterable[Path]) -> Origin:
    """The origin of what a job writes; folders among its inputs are left out, as manifests tell what they hold."""
    files = {str(path): checksum_of(path) for path in inputs if path.is_file()}
    return Origin(rule, dict(wildcards), settings_digest(params), files)


def settings_digest(params: Mapping[str, Any]) -> str:
    """Digest of a job's parameters without those that only name a path below ``results/``."""
    settings = {name: value for name, value in params.items() if name != "made_by" and not _is_result(value)}
    return digest(json.loads(json.dumps(settings, default=str)))


def _is_result(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(f"{RESULTS}/")


def checksum_of(path: Path) -> str:
    """Checksum of a file: the one that it carries where molmix made it, the SHA-256 of its bytes elsewhere."""
    # Without the prefix by which a file's own checksum is found.
    return _metadata(path).get(CHECKSUM_KEY, "").rpartition(":")[2] or file_digest(path)


def origin_of(path: Path) -> Origin | None:
    """The origin that a file carries; None where it carries none."""
    text = _metadata(path).get(ORIGIN_KEY)
    return Origin(**json.loads(text)) if text else None


@dataclass(frozen=True)
class Stale:
    """A result that does not fit to what is there now.

    Attributes:
        path: the result.
        rule: the rule that makes it.
        why: what does not agree.
    """

    path: Path
    rule: str
    why: str


def find_stale(paths: Iterable[Path], settings: Mapping[str, str] | None = None) -> list[Stale]:
    """Results that were made from other files, or with other settings, than are there now, or as another file.

    Origins are followed back through all results that they name. Files that are gone are passed over, and so are
    results without an origin (those of molmix 0.1).

    Args:
        paths: files that are about to be read.
        settings: :func:`settings_digest` of jobs by today's config, by their name
            (:func:`molmix.core.origin.job_name`). Jobs that are not named are not compared.
    """
    stale, checksums = list[Stale](), dict[str, str]()
    waiting, seen = list(paths), set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        origin = origin_of(path)
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
            if name not in checksums:
                checksums[name] = checksum_of(source)
            if checksums[name] != made_from:
                stale.append(Stale(path, origin.rule, f"was made from another {name} than the one that is there now"))
            waiting.append(source)
    return stale


def check_origins(paths: Iterable[Path], settings: Mapping[str, str] | None = None) -> None:
    """Refuse results that do not fit to what is there now; see :func:`find_stale`.

    Raises:
        MolmixError: names one result, what does not agree, and the command that makes all of them again.
    """
    if stale := find_stale(paths, settings):
        files = sorted({str(found.path) for found in stale})
        again = files if len(files) <= MOST_NAMED else sorted({found.rule for found in stale})
        others = f" ({len(files)} results in all are not up to date)" if len(files) > 1 else ""
        raise fault(stale[0].path, f"{stale[0].why}{others}", make_again(*again))


def _metadata(path: Path) -> dict[str, str]:
    """The entries of a table's or a manifest's own metadata; none of any other file."""
    if path.parts[:1] != (RESULTS,):
        return {}
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            found = pq.read_metadata(path).metadata or {}
        except (OSError, pa.ArrowException):  # whoever reads it says what is wrong with it
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
