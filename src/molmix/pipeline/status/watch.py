"""The status of a run, shown again and again until the run has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from molmix.pipeline.status.graph import Job
from molmix.pipeline.status.state import JobStatus, job_statuses

SECONDS = 5.0  # between two readings


def watch(
    plan: Callable[[], Sequence[Job]], snakemake: Path = Path(".snakemake"), seconds: float = SECONDS
) -> Iterator[tuple[list[JobStatus], float | None]]:
    """Yield the statuses of all jobs and the start time of the run, until no run is under way.

    Snakemake plans at the beginning and when the run ends, because its plan takes seconds. In between, only files are
    read: a job has succeeded if its benchmark is newer than the plan.

    Args:
        plan: makes the jobs of the study, such as :func:`molmix.pipeline.status.graph.jobs`.
        snakemake: folder of Snakemake's records.
        seconds: time between two readings.
    """
    planned, jobs = time.time(), plan()
    found, seen = job_statuses(jobs, snakemake)
    while seen is not None:
        yield found, seen
        time.sleep(seconds)
        found, since = job_statuses([replace(job, needed=_still_needed(job, planned)) for job in jobs], snakemake)
        if since != seen:
            planned, jobs = time.time(), plan()
            found, since = job_statuses(jobs, snakemake)
        seen = since
    yield found, None


def _still_needed(job: Job, planned: float) -> bool:
    return job.needed and not (job.benchmark.exists() and job.benchmark.stat().st_mtime > planned)
