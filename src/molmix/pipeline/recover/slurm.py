"""Jobs in SLURM that a killed Snakemake left: found by the folder they work in, cancelled, and waited for."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from molmix.core.errors import fault

ANSWER = 30  # seconds that a client of SLURM may take
GONE = 180  # seconds until a cancelled job must be gone: SLURM kills after KillWait, 30 s by default


@dataclass(frozen=True)
class Queued:
    """A job that waits or runs.

    Attributes:
        id: SLURM's number of it.
        state: in SLURM's words.
        what: the rules and wildcards that Snakemake noted with it.
    """

    id: str
    state: str
    what: str


@dataclass(frozen=True)
class Queue:
    """What SLURM answered.

    Attributes:
        jobs: of the run.
        unread: lines of squeue of an unknown form.
    """

    jobs: list[Queued]
    unread: list[str]


def queued(folder: Path, required: bool, others: Collection[str] = ()) -> Queue:
    """This user's jobs that a Snakemake in `folder` handed out, and that have not ended.

    Args:
        folder: where Snakemake ran.
        required: whether there must be an answer; if not, no answer means that there are no jobs.
        others: names of the jobs of other runs in the same folder.

    Raises:
        MolmixError: an answer is required and none comes.
    """
    try:
        lines = _ask("squeue", "-h", "-u", str(os.getuid()), "-o", "%i|%T|%j|%k|%Z").splitlines()
    except _NoAnswer as error:
        if required:
            raise fault(
                "squeue", f"gives no answer ({error}), and there may be jobs", "try again where it does"
            ) from None
        return Queue([], [])
    jobs, unread = [], []
    for line in filter(None, lines):
        parts = line.split("|", 4)
        if len(parts) < 5 or not parts[0][:1].isdigit():
            unread.append(line)
            continue
        number, state, name, comment, work = parts
        # Every job of Snakemake's SLURM executor has such a comment.
        if comment.startswith("rule_") and name not in others and Path(work).resolve() == folder.resolve():
            jobs.append(Queued(number, state, comment.removeprefix("rule_").replace("_wildcards_", " ")))
    return Queue(jobs, unread)


def cancel(jobs: Sequence[Queued]) -> None:
    """Cancel jobs, and wait until SLURM has forgotten or finished them.

    Raises:
        MolmixError: SLURM does not answer, or a job is still there after some minutes.
    """
    ids = {job.id for job in jobs}
    try:
        _ask("scancel", *sorted(ids))
        until = time.monotonic() + GONE
        while left := ids & set(_ask("squeue", "-h", "-u", str(os.getuid()), "-o", "%i").split()):
            if time.monotonic() > until:
                raise fault(
                    "SLURM", f"does not end {', '.join(sorted(left))}", "see `scontrol show job`, and try again"
                )
            time.sleep(1)
    except _NoAnswer as error:
        raise fault("SLURM", f"gives no answer ({error})", "try again later: nothing is unlocked yet") from None


class _NoAnswer(Exception):
    """A client of SLURM that is missing, fails, or gets no answer."""


def _ask(*command: str) -> str:
    if not shutil.which(command[0]):
        raise _NoAnswer(f"{command[0]} is not installed")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _NoAnswer(f"{ANSWER} s") from None
    if done.returncode:
        raise _NoAnswer(done.stderr.strip() or f"status {done.returncode}")
    return done.stdout
