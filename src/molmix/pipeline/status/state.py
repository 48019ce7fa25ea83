"""Where each job stands, by the files of the run and Snakemake's records in ``.snakemake/``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

from molmix.pipeline.snakemake_records import recorded_files
from molmix.pipeline.status.graph import Job

CLOCKS = 2  # seconds by which the times of two files may be off: of file systems, and of a cluster's nodes
State = Literal["done", "running", "failed", "left"]


@dataclass(frozen=True)
class JobStatus:
    """A job and where it stands.

    Attributes:
        job: the job.
        state: running, failed (its last try did not end well), left (Snakemake would run it), or done.
        since: when it was handed out, in seconds of the epoch; None where it is not running.
        cluster_id: what a cluster calls it, where it runs on one.
        message: what it ended with, where it failed.
        seconds: how long it took when it last ended well; None where it never did.
    """

    job: Job
    state: State
    since: float | None = None
    cluster_id: str | None = None
    message: str = ""
    seconds: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it was handed out and has not begun: it has written no log since."""
        return self.since is not None and not (
            self.job.log.exists() and self.job.log.stat().st_mtime > self.since - CLOCKS
        )


def job_statuses(jobs: Iterable[Job], snakemake: Path = Path(".snakemake")) -> tuple[list[JobStatus], float | None]:
    """Every job's status, and since when a run of them is under way (seconds of the epoch; None: none is).

    Args:
        jobs: of one study.
        snakemake: where Snakemake keeps its records.
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
        except (OSError, ValueError):  # it ends this very moment, or is being written
            continue
        return JobStatus(job, "running", handed_out, cluster_id, seconds=seconds)
    # Snakemake does without a file that is missing where what was made from it is there.
    if job.needed or not all(Path(output).exists() for output in job.outputs):
        message = _message(job, since)
        if message:
            return JobStatus(job, "failed", message=message, seconds=seconds)
    return JobStatus(job, "left" if job.needed else "done", seconds=seconds)


def _message(job: Job, since: float) -> str:
    """What the last try ended with; empty where there was none since the job last ended well, or since `since`."""
    # A job that ends well leaves its benchmark after its log. A run under way tries anew what failed before it.
    well = job.benchmark.stat().st_mtime if job.benchmark.exists() else 0.0
    if not job.log.exists() or job.log.stat().st_mtime < max(well + CLOCKS, since - CLOCKS):
        return ""
    lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()
    begins = f"molmix {job.rule}: "
    own = [number for number, line in enumerate(lines) if line.startswith(begins)]
    if not own:
        return "ended without a message: interrupted, killed, or out of memory"
    first, *more = lines[own[-1] :]
    return "\n".join([first.removeprefix(begins), *takewhile(lambda line: line.startswith("  "), more)])


def _seconds(benchmark: Path) -> float | None:
    try:
        return float(benchmark.read_text().splitlines()[-1].split("\t")[0])
    except (OSError, ValueError, IndexError):
        return None


def _locked(outputs: set[str], locks: Path) -> float | None:
    """When the run that holds the lock on some of these files took it."""
    for lock in locks.glob("*.output.lock"):
        try:
            if outputs & set(lock.read_text().splitlines()):
                return lock.stat().st_mtime
        except OSError:  # released this very moment
            continue
    return None
