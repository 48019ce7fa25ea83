"""Work that one job divides between several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_PER_TASK = 200  # most items that a process gets at a time


def in_processes(function: Callable[[Any], Any], items: Sequence[Any], processes: int) -> list[Any]:
    """The answers of a function for some items, in their order, computed by several processes.

    Args:
        function: one that can be pickled.
        items: its arguments. They and the answers are pickled, too.
        processes: number of processes.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Many for each process, so that all end together although some items take longer than others.
    chunk = max(1, min(_PER_TASK, len(items) // (16 * processes)))
    # Forked processes: others would run the script of the job again.
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        return list(pool.map(function, items, chunksize=chunk))
