"""The state of each job, from the files of the run and Snakemake's records in ``.snakemake/``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from molmix.pipeline.endings import last_message
from molmix.pipeline.snakemake_records import recorded_files
from molmix.pipeline.status.graph import Job

CLOCKS = 2  # seconds: tolerance between file times, because file systems and nodes of a cluster have different clocks
State = Literal["done", "running", "failed", "left"]


@dataclass(frozen=True)
class JobStatus:
    """A job and its state.

    Attributes:
        job: the job.
        state: running, failed (its last attempt did not succeed), left (Snakemake would run it), or done.
        since: when it was submitted, in seconds since the epoch; None if it is not running.
        cluster_id: its id on a cluster; None if it does not run on one.
        message: the error message of a failed job; empty for other states.
        seconds: run time of its last success; None if it never succeeded.
    """

    job: Job
    state: State
    since: float | None = None
    cluster_id: str | None = None
    message: str = ""
    seconds: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it was submitted but has not started: it has written no log since."""
        return self.since is not None and not (
            self.job.log.exists() and self.job.log.stat().st_mtime > self.since - CLOCKS
        )


def job_statuses(jobs: Iterable[Job], snakemake: Path = Path(".snakemake")) -> tuple[list[JobStatus], float | None]:
    """The status of every job, and the start time of the current run (seconds since the epoch; None if none runs).

    Args:
        jobs: jobs of one study.
        snakemake: folder of Snakemake's records.
    """
    jobs = list(jobs)
    since = _locked({output for job in jobs for output in job.outputs}, snakemake / "locks")
    begun = recorded_files(snakemake / "incomplete") if since else {}
    return [_job_status(job, begun, since or 0.0) for job in jobs], since


def _job_status(job: Job, begun: dict[str, Path], since: float) -> JobStatus:
    seconds = _seconds(job.benchmark)
    for mark in (begun[output] for output in job.outputs if output in begun):
        try:
            handed_out, cluster_id = mark.stat().st_mtime, json.loads(mark.read_text())["external_jobid"]
        except (OSError, ValueError):  # the job ends at this moment, or the record is being written
            continue
        return JobStatus(job, "running", handed_out, cluster_id, seconds=seconds)
    # Snakemake does not make a missing file again if the results from it exist.
    if job.needed or not all(Path(output).exists() for output in job.outputs):
        message = _message(job, since)
        if message:
            return JobStatus(job, "failed", message=message, seconds=seconds)
    return JobStatus(job, "left" if job.needed else "done", seconds=seconds)


def _message(job: Job, since: float) -> str:
    """The message of the last attempt; empty without an attempt after the job's last success or after `since`."""
    # A successful job writes its benchmark after its log. A run in progress tries earlier failed jobs again.
    well = job.benchmark.stat().st_mtime if job.benchmark.exists() else 0.0
    return last_message(job.rule, job.log, max(well + CLOCKS, since - CLOCKS))


def _seconds(benchmark: Path) -> float | None:
    try:
        return float(benchmark.read_text().splitlines()[-1].split("\t")[0])
    except (OSError, ValueError, IndexError):
        return None


def _locked(outputs: set[str], locks: Path) -> float | None:
    """The time at which the current run locked some of these files; None if there is no lock."""
    for lock in locks.glob("*.output.lock"):
        try:
            if outputs & set(lock.read_text().splitlines()):
                return lock.stat().st_mtime
        except OSError:  # the lock is released at this moment
            continue
    return None
