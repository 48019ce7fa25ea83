"""Checkpoints of one alignment. A training resumes only from a complete checkpoint of the same training.

They are in ``<work>/<fingerprint>/checkpoint-<step>/``, outside of the outputs, which Snakemake deletes before each
attempt. The fingerprint is a digest of everything that can change the result; ``run.json`` next to the checkpoints
contains all of that. A checkpoint is complete if its last file, ``complete.json``, has the checksums of all others.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from molmix.core.errors import MolmixError, fault
from molmix.core.files import digest, file_digest, read_json, write_json

RUN = "run.json"
COMPLETE = "complete.json"
PROGRESS = "progress.jsonl"

log = logging.getLogger(__name__)


def checkpoint_folder(work: Path, run: dict[str, Any]) -> Path:
    """The folder for the checkpoints of `run`. It is created if it does not exist.

    Args:
        work: folder for the checkpoints of one model; it may contain earlier trainings with other settings.
        run: everything that can change the result, as plain JSON.

    Raises:
        MolmixError: `work` contains anything except checkpoints of molmix, or ``run.json`` is damaged or belongs to
            another training.
    """
    if work.exists() and not work.is_dir():
        raise fault(work, "is a file, where a folder of checkpoints belongs", "move it away")
    for entry in work.glob("*"):
        _check(entry)
    folder = work / digest(run)
    if (folder / RUN).exists():
        if _read(folder / RUN) != run:
            raise fault(folder / RUN, "is damaged, or is of another training", f"delete the folder {folder}")
    else:
        write_json(folder / RUN, run)
    return folder


def _check(entry: Path) -> None:
    """Refuse files that molmix did not write, because all of `work` is deleted at the end of the training."""
    # A folder without run.json contains only temporary files for it.
    begun = entry.is_dir() and all(part.suffix == ".part" for part in entry.iterdir())
    if not begun and not (entry / RUN).is_file():
        raise fault(
            entry, "is no checkpoint folder of molmix", "move it away: this folder is deleted when the training is done"
        )


def mark_complete(checkpoint: Path) -> None:
    """Write the checksums of a checkpoint as its last file."""
    write_json(checkpoint / COMPLETE, {"files": _checksums(checkpoint)})


def last_complete(folder: Path) -> Path | None:
    """The complete and undamaged checkpoint with the most steps; None if there is none."""
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in steps:
        if _is_complete(checkpoint):
            return checkpoint
        log.warning("%s is incomplete or damaged, and is not used", checkpoint)
    return None


def remove_checkpoints(work: Path) -> None:
    """Remove all checkpoints of a model after its training."""
    shutil.rmtree(work, ignore_errors=True)


def _is_complete(checkpoint: Path) -> bool:
    stated = _read(checkpoint / COMPLETE)
    return stated is not None and stated.get("files") == _checksums(checkpoint)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except MolmixError:
        return None


def _checksums(checkpoint: Path) -> dict[str, str]:
    return {
        path.relative_to(checkpoint).as_posix(): file_digest(path)
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != COMPLETE
    }


def append_progress(folder: Path, entry: dict[str, Any]) -> None:
    """Append one line to the progress file of a training. `molmix status` reads it; the trainer does not.

    A resumed training writes the steps after its checkpoint again, so the last line is the valid one.

    Args:
        folder: folder of the training's checkpoints.
        entry: ``step``, ``of`` (the last step), and the losses logged at this step.
    """
    with (folder / PROGRESS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


def last_progress(work: Path) -> dict[str, Any] | None:
    """The newest value of each key; None if nothing is written yet. Incomplete lines are skipped.

    Args:
        work: folder of one model's trainings. The training with the newest progress file is used.
    """
    files = sorted(work.glob(f"*/{PROGRESS}"), key=lambda path: path.stat().st_mtime)
    latest: dict[str, Any] = {}
    for line in files[-1].read_text(encoding="utf-8", errors="replace").splitlines() if files else ():
        try:
            latest |= json.loads(line)
        except (ValueError, TypeError):
            continue
    return latest or None
