"""Snakemake's processes on this machine that work in one folder: heads, and jobs whose head is gone (Linux only)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from molmix.core.errors import fault

PROC = Path("/proc")
GRACE = 60  # seconds between asking a job to end (a training saves a checkpoint first) and killing it
SCRIPTS = "/.snakemake/scripts/"
TRAINING = "molmix.align.process"  # one of several that train together; they outlive the script that started them


def heads(folder: Path) -> list[int]:
    """Processes of Snakemake that hand out jobs in `folder`."""
    return [pid for pid, words in _here(folder) if _is_snakemake(words) and "--target-jobs" not in words]


def orphans(folder: Path) -> dict[int, str]:
    """Jobs that run in `folder`, by process, with what they are; those of SLURM are left to SLURM.

    Call it when there is no head: only then are they orphans.
    """
    found = {}
    for pid, words in _here(folder):
        if (name := _job(words)) and not _in_slurm(pid):
            found[pid] = name
    return found


def _job(words: list[str]) -> str | None:
    """What a command line is a job of: a script of a rule, a process of its own that one starts, Snakemake in a job."""
    if script := next((word for word in words[:3] if SCRIPTS in word), None):
        return script.rpartition("/")[2].split(".")[1]  # .snakemake/scripts/tmp12345678.align.py
    if TRAINING in words[1:4]:
        return "align"
    return "snakemake" if _is_snakemake(words) and "--target-jobs" in words else None


def end(pids: Iterable[int]) -> None:
    """Ask processes to end, kill those that do not, and wait until all are gone.

    Raises:
        MolmixError: one cannot be ended.
    """
    left = set(pids)
    for signum, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 10)):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        until = time.monotonic() + patience
        while (left := {pid for pid in left if _alive(pid)}) and time.monotonic() < until:
            time.sleep(0.2)
        if not left:
            return
    raise fault(f"process {min(left)}", "does not end", "end it by hand, and try again")


def _here(folder: Path) -> list[tuple[int, list[str]]]:
    """Number and command line of the other processes that work in a folder."""
    found = []
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if int(entry.name) != os.getpid() and (entry / "cwd").resolve(strict=True) == folder.resolve():
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                found.append((int(entry.name), words))
    return found


def _is_snakemake(words: list[str]) -> bool:
    """``python -m snakemake …`` or ``python …/bin/snakemake …``, and not a shell or a tool that starts it."""
    started = words[1:3] == ["-m", "snakemake"] or any(word.endswith("/snakemake") for word in words[1:2])
    return "python" in words[0] and started


def _in_slurm(pid: int) -> bool:
    with suppress(OSError):
        return b"SLURM_JOB_ID=" in (PROC / str(pid) / "environ").read_bytes()
    return False


def _alive(pid: int) -> bool:
    try:
        # A zombie has ended: whoever started it has not looked yet.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
