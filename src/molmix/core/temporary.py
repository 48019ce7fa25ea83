"""Folders to work in, each of one process alone: two jobs that make the same thing at once do not meet in them.

That happens where a job outlives the run that started it. A folder's name tells whose it is, so that what a killed
job left is cleared away by the next one that works in that place.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ABANDONED = 24 * 3600  # seconds after which no process of another machine is still at work in a folder


@contextmanager
def scratch(place: Path, name: str) -> Iterator[Path]:
    """Make an empty folder in `place`, give it, and remove what is left of it in the end.

    Args:
        place: made where it is missing, and removed where nothing is left in it.
        name: of the work; the folder's name is a hidden one that begins with it.
    """
    for old in place.glob(f".{name}.*.part"):
        if _is_left(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = place / f".{name}.{socket.gethostname()}-{os.getpid()}.part"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            place.rmdir()


def _is_left(folder: Path) -> bool:
    """Whether the process that worked in a folder is gone."""
    host, _, process = folder.name.removesuffix(".part").rpartition("-")
    if not host.endswith(f".{socket.gethostname()}") or not process.isdecimal():
        return time.time() - folder.stat().st_mtime > _ABANDONED
    return int(process) == os.getpid() or not _runs(int(process))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
