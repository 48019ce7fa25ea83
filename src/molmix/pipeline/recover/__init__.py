"""After a dead head: end what it left running, see what it left half done, and take its lock away.

A head is the Snakemake process that hands out a study's jobs. Killed without warning (SIGKILL, a power cut, a login
node's cleaning) it leaves its lock, and jobs that run on, in SLURM or as processes here. A new head knows nothing of
them: it would start the same jobs again beside them. Snakemake's SLURM executor cannot take jobs over, so they are
ended; what outlives a kill (checkpoints, captions written, NLI probabilities) serves the new ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from molmix.core.errors import fault
from molmix.pipeline.recover import cluster, processes
from molmix.pipeline.recover.notes import Marks


def recover(run: str, folder: Path) -> Iterator[str]:
    """Bring a run whose head is dead into a state that a new head can go on from; give a line for each thing done.

    Args:
        run: name of the study, as in ``results/<run>``.
        folder: the folder that the head ran in.

    Raises:
        MolmixError: a head is alive on this machine (heads elsewhere cannot be seen), SLURM does not answer, or a job
            does not end.
    """
    alive = processes.heads(folder)
    if alive:
        raise fault(
            folder,
            f"a Snakemake runs here (process {', '.join(map(str, alive))})",
            "let it work, or end it with Ctrl-C (kill -INT): it then ends its jobs itself",
        )
    marks = Marks(run, folder / ".snakemake")
    queued = cluster.queued(folder, required=marks.in_slurm(), others=marks.names_of_others())
    if queued:
        yield f"cancelled in SLURM: {', '.join(f'{job.id} ({job.what}, {job.state.lower()})' for job in queued)}"
        cluster.cancel(queued)
    orphans = processes.orphans(folder)
    if orphans:
        yield f"ended here: {', '.join(f'process {pid} ({what})' for pid, what in orphans.items())}"
        processes.end(orphans)
    unrecorded, older = marks.unrecorded()
    if unrecorded:
        yield f"finished after their head, to be made again: {', '.join(unrecorded)}"
    if older:
        yield (
            f"{len(older)} older result(s) lack Snakemake's record of how they were made ({older[0]}, …): later changes"
            " of settings will not remake them; delete them to have them made again"
        )
    unfinished = marks.unfinished()
    if unfinished:
        yield f"begun and not finished, to be made again: {len(unfinished)} file(s)"
    if marks.unlock():
        yield "unlocked"
