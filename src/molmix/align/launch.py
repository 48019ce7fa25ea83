"""One alignment on several GPUs of one machine: a process on each, which split every batch between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from molmix.align import distributed
from molmix.align.stop import SIGNALS, Request
from molmix.core.errors import MolmixError


def launch(arguments: dict[str, Any], processes: int) -> None:
    """Run :func:`molmix.align.training.align` in `processes` processes, as ``accelerate launch`` starts them.

    The result is what one process makes, but for sums in another order: the settings' batch is shared out, and the
    first process alone writes.

    Args:
        arguments: of ``align``, by name.
        processes: how many; where there are GPUs, each gets one.

    Raises:
        MolmixError: what the first process that failed had to say.
        RuntimeError: they failed for another reason; what they said is on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="molmix-align-") as folder:
        given = Path(folder) / "arguments.json"
        given.write_text(json.dumps(arguments, default=str))
        # Both are torchrun; accelerate's own command line wants MPI for several processes without GPUs.
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command += ["--signals-to-handle", "SIGINT", "-m", "molmix.align.process", str(given)]
        threads = str(max(1, arguments["threads"] // processes))
        status = _run(command, os.environ | {"OMP_NUM_THREADS": threads, distributed.FOLDER: folder}, Path(folder))
        if status:
            said = sorted(Path(folder).glob("*.fault"))
            if said:
                raise MolmixError(said[0].read_text(encoding="utf-8"))
            raise RuntimeError(f"one of {processes} training processes ended with status {status}")


def _run(command: list[str], environment: dict[str, str], folder: Path) -> int:
    """Run torchrun to its end; gives its status.

    An end that is asked for is passed on to the processes that train, which finish their step and save. torchrun
    itself is made deaf to it: it would kill them 30 seconds later.
    """
    request = Request()
    with request.heard():
        ours = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}  # which is inherited
        torchrun = subprocess.Popen(command, env=environment, stdout=sys.stdout, stderr=sys.stderr)  # noqa: S603
        for number, handler in ours.items():
            signal.signal(number, handler)
        while True:
            with suppress(subprocess.TimeoutExpired):
                return torchrun.wait(1)
            if request.by:
                _pass_on(signal.Signals[request.by], folder)


def _pass_on(number: signal.Signals, folder: Path) -> None:
    for process in folder.glob("*.pid"):
        with suppress(ProcessLookupError, ValueError):  # it has ended, or is just writing its number
            os.kill(int(process.read_text(encoding="ascii")), number)
