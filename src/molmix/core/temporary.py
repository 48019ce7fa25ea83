"""Temporary folders, one per process: two jobs that make the same file at the same time use different folders.

Two such jobs run if a job outlives the Snakemake process that started it. The name of a folder contains its machine and
its process id, so that the next job can remove the folders of killed jobs.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ABANDONED = 24 * 3600  # seconds after which a folder of a process on another machine counts as abandoned


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty hidden folder in `parent`, and remove it after the block. First remove folders of killed jobs.

    Args:
        parent: created if it does not exist, and then removed at the end if it is empty.
        name: what the folder is for; the folder is called ``.<name>.<machine>-<process>.part``.
    """
    left = [old for old in parent.glob(".*.part") if _is_left(old, name)]
    for old in left:
        shutil.rmtree(old, ignore_errors=True)
    made = bool(left) or not parent.exists()
    folder = parent / f".{name}.{socket.gethostname()}-{os.getpid()}.part"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if made:
            with suppress(OSError):
                parent.rmdir()


def _is_left(folder: Path, name: str) -> bool:
    """Whether this is a temporary folder for `name` whose process has ended."""
    named = re.fullmatch(rf"\.{re.escape(name)}\.(.+)-(\d+)\.part", folder.name)
    if not named or folder.is_symlink():
        return False
    machine, process = named[1], int(named[2])
    if machine != socket.gethostname():
        return time.time() - folder.stat().st_mtime > _ABANDONED
    return process == os.getpid() or not _is_running(process)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
