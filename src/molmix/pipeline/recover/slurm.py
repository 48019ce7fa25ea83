"""SLURM jobs of a killed Snakemake: finds them by working folder, cancels them, and waits until they end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from molmix.core.errors import fault

ANSWER = 30  # time limit of a SLURM client, in seconds
GONE = 180  # seconds until a cancelled job must have ended: SLURM kills after KillWait, 30 s by default


@dataclass(frozen=True)
class Queued:
    """A waiting or running job.

    Attributes:
        id: its id in SLURM.
        state: its state in SLURM.
        what: its rules and wildcards, from Snakemake's comment.
    """

    id: str
    state: str
    what: str


@dataclass(frozen=True)
class Queue:
    """The answer of SLURM.

    Attributes:
        jobs: jobs of the run.
        unread: lines of squeue in an unknown format.
    """

    jobs: list[Queued]
    unread: list[str]


def queued(folder: Path, required: bool, others: Collection[str] = ()) -> Queue:
    """This user's jobs that a Snakemake in `folder` submitted, and that have not ended.

    Args:
        folder: working folder of Snakemake.
        required: whether SLURM must answer; if not, no answer means that there are no jobs.
        others: names of the jobs of other runs in the same folder.

    Raises:
        MolmixError: an answer is required and SLURM gives none.
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
    """Cancel jobs, and wait until squeue does not list them.

    Raises:
        MolmixError: SLURM does not answer, or a job has not ended after :data:`GONE` seconds.
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
    """A SLURM client is not installed, fails, or does not answer in time."""


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
