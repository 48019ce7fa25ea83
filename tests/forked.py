"""Python programs that start at once: forks of the test's process, which has imported the libraries."""

import logging
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from molmix.pipeline.job_server.server import run_and_end


class ForkedPython(subprocess.Popen):
    """Stands for ``subprocess.Popen`` of a command ``python … -m MODULE …``.

    It is a process of its own, with the files, the signals and the environment of the command.
    """

    def __init__(self, args: Sequence[str], env: Mapping[str, str] | None = None, **given: Any) -> None:
        module = partial(_run_module, args, dict(os.environ if env is None else env))
        super().__init__(args, env=env, preexec_fn=partial(run_and_end, module), **given)


def _run_module(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """In the new process: what Python does with the command, without the imports."""
    _let_go_of_files()
    sys.stdout, sys.stderr = (os.fdopen(file, "w", closefd=False) for file in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    logging.getLogger().handlers.clear()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # a fork has none of the threads of the process that it was forked from
    if accelerate := sys.modules.get("accelerate.state"):
        accelerate.AcceleratorState._reset_state(reset_partial_state=True)  # of earlier trainings
    sys.argv = list(command[command.index("-m") + 1 :])
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _let_go_of_files() -> None:
    """Close the parent's files, but keep their numbers: its objects close these numbers when they are collected."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for entry in Path("/dev/fd").iterdir():
        if (file := int(entry.name)) > 2 and file != nothing:
            os.dup2(nothing, file)
