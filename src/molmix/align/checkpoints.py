"""Checkpoints of one alignment: only whole ones, and only of this very run, are gone on from.

They lie in ``<work>/<fingerprint>/checkpoint-<step>/``, away from the outputs, which Snakemake deletes before
each try. The fingerprint is a digest of all that the run is made from, which stands beside the checkpoints in
``run.json``. A checkpoint is whole when its last file, ``whole.json``, tells the digest of every other one.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from molmix.core.errors import MolmixError, fault
from molmix.core.files import digest, file_digest, read_json, write_json

RUN = "run.json"
WHOLE = "whole.json"

log = logging.getLogger(__name__)


def folder(work: Path, run: dict[str, Any]) -> Path:
    """The folder for the checkpoints of `run`, made where it is missing.

    Args:
        work: folder for the checkpoints of one model; earlier runs of it, with other settings, may lie there.
        run: all that the run is made from, as plain JSON.

    Raises:
        MolmixError: `work` holds something else than checkpoints of molmix, or another run's under this name, or
            what says whose they are is damaged.
    """
    if work.exists() and not work.is_dir():
        raise fault(work, "is a file, where a folder of checkpoints belongs", "move it away")
    for entry in work.glob("*"):
        _check(entry)
    place = work / digest(run)
    if (place / RUN).exists():
        if _read(place / RUN) != run:
            raise fault(place / RUN, "is damaged, or tells of another run", f"delete the folder {place}")
    else:
        write_json(place / RUN, run)
    return place


def _check(entry: Path) -> None:
    """Refuse what is not ours, since all of it goes when the run is done."""
    # Before it has its run.json, a folder holds nothing but the beginnings of one.
    begun = entry.is_dir() and all(part.suffix == ".part" for part in entry.iterdir())
    if not begun and not (entry / RUN).is_file():
        raise fault(entry, "is no checkpoint folder of molmix", "move it away: its folder is cleared in the end")


def mark_whole(checkpoint: Path) -> None:
    """Note that a checkpoint is complete; to be called last."""
    write_json(checkpoint / WHOLE, {"files": _digests(checkpoint)})


def last_whole(place: Path) -> Path | None:
    """The checkpoint with the most steps that is complete and undamaged, None where there is none."""
    steps = sorted(place.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in steps:
        if _is_whole(checkpoint):
            return checkpoint
        log.warning("%s is torn or damaged and was passed over", checkpoint)
    return None


def clear(work: Path) -> None:
    """Remove all checkpoints of a model, once it is done."""
    shutil.rmtree(work, ignore_errors=True)


def _is_whole(checkpoint: Path) -> bool:
    said = _read(checkpoint / WHOLE)
    return said is not None and said.get("files") == _digests(checkpoint)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except MolmixError:
        return None


def _digests(checkpoint: Path) -> dict[str, str]:
    return {
        path.relative_to(checkpoint).as_posix(): file_digest(path)
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != WHOLE
    }
