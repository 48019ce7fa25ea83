"""The status of a study for the terminal: stages, running and failed jobs, and the estimated time left."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import get_args

from rich.table import Table
from rich.text import Text

from molmix.align.checkpoints import last_progress
from molmix.core.errors import counted, escape_control
from molmix.core.progress import duration, last_line
from molmix.pipeline.status.state import JobStatus, State

MOST = 10  # maximum number of jobs of each state that are listed


def status_report(run: str, statuses: Sequence[JobStatus], since: float | None, work: Path) -> Iterator[Table | Text]:
    """The parts of the status to print.

    Args:
        run: the study's name.
        statuses: statuses of its jobs, ordered by stage.
        since: start time of the current run, in seconds since the epoch; None if no run is in progress.
        work: folder of the run's trainings.
    """
    now = time.time()
    yield _headline(run, statuses, since, now)
    yield Text()
    yield _stages(statuses)
    for state, of_job in (("running", _running), ("failed", _failed)):
        there = [status for status in statuses if status.state == state]
        if there:
            yield Text(f"\n{state}", style="bold")
            yield from (Text(escape_control(line)) for one in there[:MOST] for line in of_job(one, now, work))
        if len(there) > MOST:
            yield Text(f"  and {len(there) - MOST} more")
    yield Text()
    yield from map(Text, _rest(statuses, now))


def _headline(run: str, statuses: Sequence[JobStatus], since: float | None, now: float) -> Text:
    counts = ", ".join(f"{_count(statuses, state)} {state}" for state in get_args(State))
    under_way = f"running for {duration(now - since)}" if since else "no run is under way"
    return Text(f"{run}: {counts} of {counted(len(statuses), 'job')}; {under_way}", style="bold")


def _stages(statuses: Sequence[JobStatus]) -> Table:
    """A table with one row for each stage."""
    table = Table("stage", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for state in (*get_args(State), "each took"):
        table.add_column(state, justify="right", no_wrap=True)
    for rule, times in _times(statuses).items():
        here = [status for status in statuses if status.job.rule == rule]
        counts = [str(_count(here, state) or "-") for state in get_args(State)]
        table.add_row(rule, *counts, duration(mean(times)) if times else "", style="dim" if counts[0] == "-" else "")
    return table


def _running(status: JobStatus, now: float, work: Path) -> list[str]:
    assert status.since is not None
    job = status.job
    words = [f"  {job.rule} {job.name}".rstrip(), f"for {duration(now - status.since)}"]
    if status.cluster_id:
        words.append(f"cluster job {status.cluster_id}")
    if status.waits:
        words.append("waits to begin")
    elif line := last_line(job.log):
        words.append(line)
    elif step := last_progress(work / job.name):  # a training that has not run long enough to write a line
        words.append(f"step {step['step']} of {step['of']}")
    else:
        words.append(f"log written {duration(now - job.log.stat().st_mtime)} ago")
    return [", ".join(words)]


def _failed(status: JobStatus, now: float, work: Path) -> list[str]:
    job = status.job
    first, *more = status.message.splitlines()
    return [f"  {job.rule} {job.name}".rstrip() + f", log {job.log}", f"    {first}", *(f"    {line}" for line in more)]


def _rest(statuses: Sequence[JobStatus], now: float) -> Iterator[str]:
    """The estimated time left, from the times of finished jobs of the same stages."""
    open_jobs = [status for status in statuses if status.state != "done"]
    if not open_jobs:
        yield "Nothing is left to do."
        return
    times = _times(statuses)
    known = [status for status in open_jobs if times[status.job.rule]]
    left = sum(
        max(0.0, mean(times[status.job.rule]) - (now - status.since if status.since else 0.0)) for status in known
    )
    at_once = max(1, _count(statuses, "running"))
    if known:
        jobs = counted(len(known), "job")
        yield f"Time left: about {duration(left / at_once)}, estimated for {jobs}, {at_once} at a time."
    if unknown := len(open_jobs) - len(known):
        yield f"No estimate for {counted(unknown, 'job')}: none of their stages has finished one yet."


def _times(statuses: Sequence[JobStatus]) -> dict[str, list[float]]:
    """Seconds of the jobs that have succeeded, by stage."""
    times: dict[str, list[float]] = {}
    for status in statuses:
        times.setdefault(status.job.rule, []).extend([] if status.seconds is None else [status.seconds])
    return times


def _count(statuses: Sequence[JobStatus], state: str) -> int:
    return sum(status.state == state for status in statuses)
