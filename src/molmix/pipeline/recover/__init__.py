"""After Snakemake was killed: cancel or end the jobs that it left, find unfinished results, and unlock the folder.

A Snakemake process that was killed without warning (SIGKILL, a power failure, the cleanup of a login node) leaves its
lock and its running jobs, in SLURM or as local processes. A new Snakemake does not know them and would start the same
jobs again. Snakemake's SLURM executor cannot take jobs over, so they are cancelled. New jobs use what the cancelled
ones have stored (checkpoints, captions, NLI probabilities).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from molmix.core.errors import counted, fault
from molmix.pipeline.recover import processes, slurm
from molmix.pipeline.recover.records import Records


def recover(run: str, folder: Path, ended_on: str | None = None) -> Iterator[str]:
    """Prepare a run for a new Snakemake process; yields one line for each action.

    Args:
        run: name of the study, as in ``results/<run>``.
        folder: working folder of Snakemake.
        ended_on: another machine, on which the user knows that no Snakemake of the run is left.

    Raises:
        MolmixError: a Snakemake runs here, or may run as another user or on another machine; SLURM does not answer; or
            a job does not end.
    """
    if running := processes.running_snakemakes(folder):
        raise fault(
            folder,
            f"a Snakemake runs here (process {', '.join(map(str, running))})",
            "let it work, or end it with Ctrl-C (kill -INT): it then ends its jobs itself",
        )
    records = Records(run, folder / ".snakemake")
    records.check_locks(ended_on)
    queue = slurm.queued(folder, required=records.in_slurm(), others=records.names_of_others())
    if queue.unread:
        yield f"squeue printed {counted(len(queue.unread), 'line')} of an unknown form, left alone: {queue.unread[0]!r}"
    if queue.jobs:
        yield f"cancelled in SLURM: {', '.join(f'{job.id} ({job.what}, {job.state.lower()})' for job in queue.jobs)}"
        slurm.cancel(queue.jobs)
    if orphans := processes.orphans(folder):
        yield f"ended here: {', '.join(f'process {pid} ({what})' for pid, what in orphans.items())}"
        processes.end(orphans)
    unrecorded, older = records.unrecorded()
    if unrecorded:
        yield f"finished after Snakemake was killed, will be made again: {', '.join(unrecorded)}"
    if older:
        yield (
            f"no record by Snakemake for {counted(len(older), 'older result')} of how they were made ({older[0]}, …): "
            "a changed setting does not remake them; `--forcerun FILE` does"
        )
    if unfinished := records.unfinished():
        yield f"begun and not finished, will be made again: {counted(len(unfinished), 'file')}"
    if records.unlock():
        yield "unlocked"
