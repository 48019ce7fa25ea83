"""The standing of a study, for people: stages, what runs, what failed, and an estimate of the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, get_args

from rich.table import Table
from rich.text import Text

from molmix.align.checkpoints import last_progress
from molmix.core.errors import escape_control
from molmix.pipeline.status.state import Standing, State

MOST = 10  # jobs that are told of one by one, of each state


def report(run: str, standings: Sequence[Standing], since: float | None, work: Path) -> Iterator[Table | Text]:
    """What to print, part by part.

    Args:
        run: the study's name.
        standings: of its jobs, stage by stage.
        since: when the run under way began, in seconds of the epoch; None where none is.
        work: folder of the run's trainings.
    """
    now = time.time()
    yield _headline(run, standings, since, now)
    yield Text()
    yield _stages(standings)
    for state, of_job in (("running", _running), ("failed", _failed)):
        there = [standing for standing in standings if standing.state == state]
        if there:
            yield Text(f"\n{state}", style="bold")
            yield from (Text(escape_control(line)) for one in there[:MOST] for line in of_job(one, now, work))
        if len(there) > MOST:
            yield Text(f"  and {len(there) - MOST} more")
    yield Text()
    yield from map(Text, _rest(standings, now))


def _headline(run: str, standings: Sequence[Standing], since: float | None, now: float) -> Text:
    counts = ", ".join(f"{_count(standings, state)} {state}" for state in get_args(State))
    under_way = f"running for {duration(now - since)}" if since else "no run is under way"
    return Text(f"{run}: {counts} of {len(standings)} jobs; {under_way}", style="bold")


def _stages(standings: Sequence[Standing]) -> Table:
    """A row a stage."""
    table = Table("stage", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for state in (*get_args(State), "each took"):
        table.add_column(state, justify="right", no_wrap=True)
    for rule, times in _times(standings).items():
        here = [standing for standing in standings if standing.job.rule == rule]
        counts = [str(_count(here, state) or "-") for state in get_args(State)]
        table.add_row(rule, *counts, duration(mean(times)) if times else "", style="dim" if counts[0] == "-" else "")
    return table


def _running(standing: Standing, now: float, work: Path) -> list[str]:
    assert standing.since is not None
    job = standing.job
    words = [f"  {job.rule} {job.name}".rstrip(), f"for {duration(now - standing.since)}"]
    if standing.cluster_id:
        words.append(f"cluster job {standing.cluster_id}")
    if standing.waits:
        words.append("waits to begin")
    elif job.rule == "align":
        words += _training(last_progress(work / job.name))
    else:
        words.append(f"log written {duration(now - job.log.stat().st_mtime)} ago")
    return [", ".join(words)]


def _training(progress: dict[str, Any] | None) -> list[str]:
    if progress is None:
        return ["nothing logged yet"]
    names = {"loss": "loss", "eval_loss": "validation loss"}
    losses = [f"{title} {progress[name]:.4g}" for name, title in names.items() if name in progress]
    return [f"step {progress['step']} of {progress['of']}", *losses]


def _failed(standing: Standing, now: float, work: Path) -> list[str]:
    job = standing.job
    first, *more = standing.message.splitlines()
    return [f"  {job.rule} {job.name}".rstrip() + f", log {job.log}", f"    {first}", *(f"    {line}" for line in more)]


def _rest(standings: Sequence[Standing], now: float) -> Iterator[str]:
    """How long the rest takes, from how long finished jobs of the same stages took."""
    open_jobs = [standing for standing in standings if standing.state != "done"]
    if not open_jobs:
        yield "Nothing is left to do."
        return
    times = _times(standings)
    known = [standing for standing in open_jobs if times[standing.job.rule]]
    left = sum(
        max(0.0, mean(times[standing.job.rule]) - (now - standing.since if standing.since else 0.0))
        for standing in known
    )
    at_once = max(1, _count(standings, "running"))
    if known:
        yield f"Time left: about {duration(left / at_once)}, estimated for {len(known)} job(s), {at_once} at a time."
    if unknown := len(open_jobs) - len(known):
        yield f"No estimate for {unknown} job(s): none of their stages has finished one yet."


def _times(standings: Sequence[Standing]) -> dict[str, list[float]]:
    """Seconds of the jobs that have ended well, by stage."""
    times: dict[str, list[float]] = {}
    for standing in standings:
        times.setdefault(standing.job.rule, []).extend([] if standing.seconds is None else [standing.seconds])
    return times


def _count(standings: Sequence[Standing], state: str) -> int:
    return sum(standing.state == state for standing in standings)


def duration(seconds: float) -> str:
    """A time as people say it: 0 s, 59 s, 3 min 05 s, 2 h 07 min."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
