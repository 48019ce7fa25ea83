"""Context of every script of the workflow: it sets the log and threads, blocks the network and prints errors."""

from __future__ import annotations

import ctypes
import errno
import gc
import logging
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

import psutil

from molmix.core.errors import MolmixError, escape_control
from molmix.core.gpus import check_gpus
from molmix.core.hub import switch_hub_off
from molmix.core.origin import recording
from molmix.pipeline.origins import check_origins, origin_of_job
from molmix.pipeline.paths import benchmark_of

# Of mallopt(3) in malloc.h: free memory at the end of the heap that goes back to the system, and the size from which a
# tensor is mapped on its own; 32 MB is the most that all versions of glibc take.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = (-1, 2**31 - 1), (-3, 32 * 2**20)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the block as a job of the workflow.

    First it checks the GPUs that the job asked for, then whether the inputs fit together. The outputs contain their
    origin (:mod:`molmix.core.origin`). Output of libraries goes to the rule's log.

    If the block raises, the process ends with status 1 and Snakemake prints no traceback: a :class:`MolmixError` is
    printed on the terminal and in the log; any other error gives one line on the terminal and its traceback in the log.

    Args:
        snakemake: the object that Snakemake defines in a script.
    """
    set_environment(snakemake.threads)
    inputs = [Path(path) for path in snakemake.input]
    _date_back(inputs)
    terminal = sys.stderr
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    log = path.open("w", encoding="utf-8", buffering=1)
    sys.stdout = sys.stderr = log
    _write_logs_to(log)
    logging.basicConfig(stream=log, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        check_gpus(snakemake.resources.get("gpu", 0), snakemake.resources.get("gpu_memory_mb", 0))
        check_origins(inputs, snakemake.params.get("made_by"))
        with recording(origin_of_job(snakemake.rule, snakemake.wildcards, snakemake.params, inputs)):
            yield
    except Exception as error:
        lines = _describe(error, snakemake.rule, path)
        print(*lines, sep="\n", file=terminal, flush=True)
        with suppress(OSError):  # the disk of the log may be full
            print(*lines, sep="\n", file=log)
            if not isinstance(error, MolmixError):
                traceback.print_exc(file=log)
        _end(log, 1)
    _write_usage(benchmark_of(path))
    _end(log, 0)


def set_environment(threads: int) -> None:
    """Set what libraries read at their import, for so many threads. The job server does this before it imports any."""
    # Numerical libraries read these variables at their first import, which is inside the block unless the job server
    # has imported them.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if torch := sys.modules.get("torch"):  # the job server has imported it, for one thread
        torch.set_num_threads(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    switch_hub_off()
    # The imports of a job create a million objects and no garbage. Garbage collection takes a tenth of their time.
    gc.set_threshold(100_000, 20, 100)
    # The next tensor gets the memory of the last one. By default it goes back to the system, and comes as new pages.
    with suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(*_TRIM_THRESHOLD)
        mallopt(*_MMAP_THRESHOLD)


def _write_logs_to(log: IO[str]) -> None:
    """Let libraries that the job server has imported write to this log: their loggers kept the terminal's stream."""
    for logger in map(logging.getLogger, logging.root.manager.loggerDict):
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.__stdout__, sys.__stderr__):
                handler.setStream(log)


def _date_back(inputs: Iterable[Path]) -> None:
    """Set modification times in the future to the present time.

    Such times occur if another machine's clock is ahead, or if this clock was set back. Snakemake fails a job whose
    outputs are older than its inputs. For a folder it uses the time of a file that it keeps in the folder.
    """
    results = (path for path in inputs if path.parts[:1] == ("results",))
    for file in (file for path in results for file in (path, path / ".snakemake_timestamp")):
        with suppress(OSError):
            if file.stat().st_mtime > time.time():
                os.utime(file)


def _write_usage(path: Path) -> None:
    """Write wall seconds, peak memory (MB) and CPU seconds of this process and the processes that it started.

    Snakemake's `benchmark:` takes samples, which miss the end of a job, and sees only the client of the job server.
    Memory that a job shares with the job server counts, as the job uses it.
    """
    own, started = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = time.time() - psutil.Process().create_time()
    cpu = own.ru_utime + own.ru_stime + started.ru_utime + started.ru_stime
    megabytes = (own.ru_maxrss + started.ru_maxrss) / 1024
    with suppress(OSError):  # the disk is full: the outputs are complete
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\tcpu_time\n{seconds:.2f}\t{megabytes:.1f}\t{cpu:.2f}\n", encoding="utf-8")


def _end(log: IO[str], status: int) -> NoReturn:
    """End the process at once: the outputs are written, and unloading torch would take a second."""
    with suppress(OSError):  # the disk is full: the log lacks its end; outputs were checked when they were written
        log.close()
    os._exit(status)


def _describe(error: Exception, rule: str, log: Path) -> list[str]:
    if isinstance(error, MolmixError):
        return [f"molmix {rule}: {error}"]
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return [f"molmix {rule}: the disk is full ({error.filename or error}); free some space and run it again"]
    said = escape_control(f"molmix {rule}: unexpected {type(error).__name__}: {error}")
    return [said, f"  the traceback is in {log}"]
