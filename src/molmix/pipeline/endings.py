"""What a run of Snakemake says at its end: where its results are, or which jobs failed, why, and what to do."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from molmix.core.errors import escape_control
from molmix.pipeline.paths import Paths

MOST = 10  # maximum number of failed jobs that are listed
# What Snakemake says of a failed job beside its error event: a traceback in its own words, and that a job failed.
_REPEATED = (
    "RuleException:\nCalledProcessError in file",
    "Exiting because a job execution failed.",
    "WorkflowError:\nAt least one job did not complete successfully.",
)
# Targets that a finished run can be shown by: the file that they make, and what it is.
_VIEWS = {
    "explorer": ("explorer/index.html", "every caption with its scores"),
    "report": ("report/index.html", "tables and figures as pages"),
    "judge": ("tables/judges.md", "do the judges find planted errors?"),
}


class FailedJobs(logging.Filter):
    """Collects failed jobs from Snakemake's log events, and keeps its own words about them off the terminal.

    Snakemake's log in ``.snakemake/log`` still has them.

    Args:
        folder: put before the paths of logs, so that they can be opened from where the command was given.
    """

    def __init__(self, folder: Path = Path()) -> None:
        super().__init__()
        self._folder = folder
        self._records: dict[int, Any] = {}
        self._started = time.time()

    def collect(self) -> None:
        """Listen to the handlers that write to the terminal."""
        from snakemake.logging import logger

        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.filters.insert(0, self)  # before Snakemake's own filter, which drops events with --quiet

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message of Snakemake is shown."""
        from snakemake_interface_logger_plugins.common import LogEvent

        event, said = getattr(record, "event", None), vars(record)
        if event == LogEvent.JOB_ERROR:
            self._records[said["jobid"]] = record
        elif event == LogEvent.JOB_FINISHED:  # it was tried again
            self._records.pop(said["job_id"], None)
        return event not in (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR) and not record.getMessage().startswith(_REPEATED)

    def describe(self) -> Iterator[str]:
        """Lines about the failed jobs: cause, hint and log of each."""
        failed = list(self._records.values())
        if not failed:
            yield "molmix: the run was interrupted. Give the same command again: it resumes."
            return
        yield f"\nmolmix: {len(failed)} job{'s' * (len(failed) > 1)} failed."
        for record in failed[:MOST]:
            said = vars(record)
            log = Path(said["log"][0]) if said["log"] else None
            message = last_message(said["rule_name"], log, self._started) if log else ""
            message = message or "did not start, or did not write a log"
            job = log.with_suffix("").as_posix().split("/", 2)[-1] if log else said["rule_name"]
            first, *more = [*message.splitlines(), *str(said["rule_msg"] or "").splitlines()]
            yield escape_control(f"  {job}: {first}")
            yield from (escape_control(f"    {line.strip()}") for line in more)
            yield from (f"    log: {self._folder / path}" for path in said["log"])
        if len(failed) > MOST:
            yield f"  and {len(failed) - MOST} more"
        yield "When that is changed, give the same command again: it resumes. `molmix status` shows all failed jobs."

    def report(self) -> None:
        """Print the lines to standard error."""
        print(*self.describe(), sep="\n", file=sys.stderr, flush=True)


def last_message(rule: str, log: Path, since: float) -> str:
    """Why the last attempt of a job failed; empty if its log was not written after `since`.

    Args:
        rule: the job's rule.
        log: its log file.
        since: seconds since the epoch.
    """
    if not log.exists() or log.stat().st_mtime < since:
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    begins = f"molmix {rule}: "
    own = [number for number, line in enumerate(lines) if line.startswith(begins)]
    if own:
        first, *more = lines[own[-1] :]
        return "\n".join([first.removeprefix(begins), *takewhile(lambda line: line.startswith("  "), more)])
    last = next((line for line in reversed(lines) if line.strip()), "")
    said = ["ended without a message: interrupted, killed, or out of memory"]
    said += [f"  last line of its log: {last}"] * bool(last)
    hint = f"--cores with a smaller number, or on a cluster --set-resources {rule}:mem_mb=MEGABYTES"
    return "\n".join([*said, f"  Hint: run it again; if memory was too short: {hint}"])


def next_steps(paths: Paths, folder: Path) -> Iterator[str]:
    """Lines about a finished run: where its results are, and which targets show more.

    Args:
        paths: of the run.
        folder: as for :class:`FailedJobs`.
    """
    run = folder / paths.results
    board = run / "tables/leaderboard.md"
    if not board.exists():
        yield f"Results: {run}/"
        return
    yield f"Leaderboard: {board}"
    missing = {}
    for target, (file, what) in _VIEWS.items():
        if (run / file).exists():
            yield f"{target.capitalize()}: {run / file}"
        else:
            missing[target] = what
    if missing:
        yield "More, if you add a target to the same command:"
        yield from (f"  {target:10}{what}" for target, what in missing.items())
