"""What every script of the workflow wraps its one library call in: log, threads, quiet, errors for people."""

from __future__ import annotations

import errno
import gc
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from molmix.core.errors import MolmixError, escape_control
from molmix.core.gpus import check_gpus
from molmix.core.hub import switch_hub_off
from molmix.core.origin import recording
from molmix.pipeline.origins import check_origins, origin_of_job


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the block as a workflow job.

    GPUs that it asked for are looked for first. Libraries' chatter goes to the rule's log. A :class:`MolmixError` is
    printed alone, on the terminal and in the log; anything else leaves its traceback in the log and one line on the
    terminal. Either ends the job with status 1, without the traceback that Snakemake would print.
    """
    # Read by numerical libraries when they are first imported, which is inside the block.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(snakemake.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    switch_hub_off()
    # The imports of a job make a million objects and no garbage: looking for it takes a tenth of their time.
    gc.set_threshold(100_000, 20, 100)
    inputs = [Path(path) for path in snakemake.input]
    _date_back(inputs)
    terminal = sys.stderr
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = log.open("w", encoding="utf-8", buffering=1)
    sys.stdout = sys.stderr = stream
    logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        check_gpus(snakemake.resources.get("gpu", 0), snakemake.resources.get("gpu_memory_mb", 0))
        check_origins(inputs, snakemake.params.get("made_by"))
        with recording(origin_of_job(snakemake.rule, snakemake.wildcards, snakemake.params, inputs)):
            yield
    except Exception as error:
        for line in _lines(error, snakemake.rule, log):
            print(line, file=terminal, flush=True)
            print(line, file=stream)
        if not isinstance(error, MolmixError):
            traceback.print_exc(file=stream)
        _leave(stream, 1)
    _leave(stream, 0)


def _date_back(inputs: Iterable[Path]) -> None:
    """Make results that another machine's clock, or this one's before it was set back, dated in the future as old as
    now: Snakemake fails a job whose outputs are older than its inputs. A folder's age is that of a file in it.
    """
    results = (path for path in inputs if path.parts[0] == "results")
    for file in (file for path in results for file in (path, path / ".snakemake_timestamp")):
        with suppress(OSError):
            if file.stat().st_mtime > time.time():
                os.utime(file)


def _leave(stream: IO[str], status: int) -> NoReturn:
    """End the process at once: outputs are in place, and taking torch's modules apart takes a second a job."""
    stream.close()
    os._exit(status)


def _lines(error: Exception, rule: str, log: Path) -> list[str]:
    if isinstance(error, MolmixError):
        return [f"molmix {rule}: {error}"]
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return [f"molmix {rule}: the disk is full ({error.filename or error}); free some space and run it again"]
    said = escape_control(f"molmix {rule}: unexpected {type(error).__name__}: {error}")
    return [said, f"  the traceback is in {log}"]
