"""Jobs in SLURM that a head left behind: found by the folder they work in, cancelled, and waited for."""

from __future__ import annotations

import getpass
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


def queued(folder: Path, required: bool, others: Collection[str] = ()) -> list[Queued]:
    """This user's jobs that a Snakemake in `folder` handed out, and that have not ended.

    Args:
        folder: where the head ran.
        required: whether there must be an answer: without one it is taken that nothing is in SLURM.
        others: names of jobs that are another run's, in the same folder.

    Raises:
        MolmixError: an answer is required and none comes.
    """
    try:
        lines = _ask("squeue", "-h", "-u", getpass.getuser(), "-o", "%i|%T|%j|%k|%Z").splitlines()
    except _Silent as error:
        if required:
            raise fault(
                "squeue", f"gives no answer ({error}), and there may be jobs", "try again where it does"
            ) from None
        return []
    jobs = []
    for line in lines:
        number, state, name, comment, place = line.split("|", 4)
        # Every job of Snakemake's SLURM executor has such a comment.
        if comment.startswith("rule_") and name not in others and Path(place).resolve() == folder.resolve():
            jobs.append(Queued(number, state, comment.removeprefix("rule_").replace("_wildcards_", " ")))
    return jobs


def cancel(jobs: Sequence[Queued]) -> None:
    """Cancel jobs, and wait until SLURM has forgotten or finished them.

    Raises:
        MolmixError: SLURM does not answer, or a job is still there after some minutes.
    """
    ids = {job.id for job in jobs}
    try:
        _ask("scancel", *sorted(ids))
        until = time.monotonic() + GONE
        while left := ids & set(_ask("squeue", "-h", "-u", getpass.getuser(), "-o", "%i").split()):
            if time.monotonic() > until:
                raise fault(
                    "SLURM", f"does not end {', '.join(sorted(left))}", "see `scontrol show job`, and try again"
                )
            time.sleep(1)
    except _Silent as error:
        raise fault("SLURM", f"gives no answer ({error})", "try again later: nothing is unlocked yet") from None


class _Silent(Exception):
    """A client of SLURM that is missing, fails, or gets no answer."""


def _ask(*command: str) -> str:
    if not shutil.which(command[0]):
        raise _Silent(f"{command[0]} is not installed")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _Silent(f"{ANSWER} s") from None
    if done.returncode:
        raise _Silent(done.stderr.strip() or f"status {done.returncode}")
    return done.stdout
