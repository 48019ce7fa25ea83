"""Local processes of Snakemake in one folder: running Snakemakes, and jobs of a killed one (Linux only).

A process is identified by its program: the script or module that Python runs. Other words of the command line are not
used, because an editor and ``tail -f`` name the scripts of jobs too.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from molmix.core.errors import fault
from molmix.pipeline.job_server import CLIENT

PROC = Path("/proc")
GRACE = 60  # seconds between SIGTERM (a training then saves a checkpoint) and SIGKILL
TRAINING = "molmix.align.distributed"  # module of a training with several processes, which outlive their script
_WITH_VALUE = {"-W", "-X", "--check-hash-based-pycs"}  # options of Python whose value is the next word


def running_snakemakes(folder: Path) -> list[int]:
    """Ids of the Snakemake processes in `folder` that start jobs.

    If another program runs Snakemake inside its own process, it is found by its log, which it keeps open for writing.
    """
    logs = str((folder / ".snakemake/log").resolve()) + "/"
    return [
        pid
        for pid, words in _in_folder(folder)
        if "--target-jobs" not in words and (_is_snakemake(words) or _writes_below(pid, logs))
    ]


def orphans(folder: Path) -> dict[int, str]:
    """Ids of this user's processes in `folder` that run jobs of Snakemake, with their rules, without jobs in SLURM.

    They are orphans only if no Snakemake runs, so check :func:`running_snakemakes` first.
    """
    scripts = (folder / ".snakemake/scripts").resolve()
    found = {}
    for pid, words in _in_folder(folder):
        name = _job(words, folder, scripts)
        if name and _owner(pid) == os.getuid() and not _in_slurm(pid):
            found[pid] = name
    return found


def end(pids: Iterable[int]) -> None:
    """Send SIGTERM, after :data:`GRACE` seconds SIGKILL, and wait until all processes have ended.

    Raises:
        MolmixError: a process does not end.
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


def program(words: list[str]) -> tuple[str, str]:
    """The program that Python runs: ``("module", name)`` or ``("script", path)``, else two empty strings.

    A client of the job server stands for the script that the server runs for it.

    Args:
        words: words of the command line, including the interpreter.
    """
    if not words or not Path(words[0]).name.startswith("python"):
        return "", ""
    rest = iter(words[1:])
    for word in rest:
        if word == "-m":
            return "module", next(rest, "")
        if word in ("-c", "-"):
            return "", ""
        if word in _WITH_VALUE:
            next(rest, "")
        elif not word.startswith("-"):
            return "script", words[-1] if word == str(CLIENT) else word
    return "", ""


def _is_snakemake(words: list[str]) -> bool:
    kind, name = program(words)
    return (kind == "module" and name in ("snakemake", "snakemake.cli")) or (
        kind == "script" and (Path(name).name == "snakemake" or name.endswith("/snakemake/__main__.py"))
    )


def _job(words: list[str], folder: Path, scripts: Path) -> str | None:
    """The rule of a process that runs a job, ``snakemake`` for a Snakemake inside a job, None for other processes."""
    kind, name = program(words)
    path = folder / name
    if kind == "script" and path.resolve().parent == scripts and path.name.count(".") >= 2:
        return path.name.split(".")[1]  # .snakemake/scripts/tmp12345678.align.py
    if kind == "module" and name == TRAINING:
        return "align"
    return "snakemake" if _is_snakemake(words) and "--target-jobs" in words else None


def _in_folder(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Ids and command lines of the other processes in `folder` that this user may see."""
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):  # the process has ended, or belongs to another user
            if int(entry.name) != os.getpid() and (entry / "cwd").resolve(strict=True) == folder.resolve():
                words = (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                yield int(entry.name), words


def _writes_below(pid: int, folder: str) -> bool:
    """Whether a process has a file in a folder open for writing."""
    with suppress(OSError):
        for link in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError, ValueError, IndexError):
                if str(link.readlink()).startswith(folder):
                    flags = (PROC / str(pid) / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0]
                    if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                        return True
    return False


def _owner(pid: int) -> int | None:
    with suppress(OSError):
        return (PROC / str(pid)).stat().st_uid
    return None


def _in_slurm(pid: int) -> bool:
    with suppress(OSError):
        return b"SLURM_JOB_ID=" in (PROC / str(pid) / "environ").read_bytes()
    return False


def _alive(pid: int) -> bool:
    try:
        # A zombie has ended, but its parent has not read its status.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
