"""One alignment in several processes, and the request to stop an alignment.

:func:`launch` runs :func:`molmix.align.training.align` in several processes, as ``accelerate launch`` does. Each
process runs this file. The processes share every batch, and the first one writes the files.

A signal (:data:`SIGNALS`) requests a stop. SLURM sends SIGTERM at the time limit, on preemption, requeue and
``scancel``, some seconds before SIGKILL. ``--signal`` makes SLURM send a signal minutes before the limit. The training
then finishes the current step and writes a checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from molmix.core.errors import MolmixError, fault

FOLDER = "MOLMIX_SHARED_FOLDER"  # set by `launch`: a folder that is removed after all processes have ended
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether a stop was requested.

    Attributes:
        signal: name of the first signal that requested a stop; None if there was none.
    """

    signal: str | None = None

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Handle :data:`SIGNALS` while the block runs. Only for the main thread."""
        before = {number: signal.signal(number, self._remember) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _remember(self, number: int, _: FrameType | None) -> None:
        self.signal = self.signal or signal.Signals(number).name


def process_count() -> int:
    """Number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process is the first one, which writes the files."""
    return os.environ.get("RANK", "0") == "0"


def own_file(name: str) -> Path:
    """A path for this process only, in the folder that the processes share."""
    return Path(os.environ[FOLDER]) / f"{os.environ['RANK']}-{name}"


def any_process(flag: bool, device: Any) -> bool:
    """Logical OR over all processes. They must save and stop at the same step, or they deadlock.

    Args:
        flag: flag of this process.
        device: device on which this process trains.
    """
    if process_count() == 1:
        return flag
    import torch

    flags = torch.tensor(int(flag), device=device)
    torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
    return bool(flags.item())


def wait_for_all() -> None:
    """Wait until every process has reached this point."""
    if process_count() > 1:
        import torch

        torch.distributed.barrier()


def batch_of_process(trl: dict[str, Any]) -> dict[str, Any]:
    """Batch settings of one process, so that a step of all processes together uses the batch of the settings.

    Raises:
        MolmixError: the batch cannot be divided by the number of processes.
    """
    count = process_count()
    steps, rows = trl["gradient_accumulation_steps"], trl["per_device_train_batch_size"]
    if steps % count == 0:
        return {"gradient_accumulation_steps": steps // count}
    if rows % count == 0:
        return {"per_device_train_batch_size": rows // count}
    raise fault(
        "hardware.gpus.align",
        f"{count} divides neither `settings.gradient_accumulation_steps` ({steps}) nor"
        f" `settings.per_device_train_batch_size` ({rows})",
        "give a number that divides one of them",
    )


def launch(arguments: dict[str, Any], processes: int) -> None:
    """Run :func:`molmix.align.training.align` in several processes.

    The result is that of one process, except for the order of sums: the batch of the settings is divided.

    Args:
        arguments: arguments of ``align`` by name, as plain values and paths.
        processes: number of processes; each gets its own GPU if there are GPUs.

    Raises:
        MolmixError: a process failed with a :class:`MolmixError`; the message is that of the first such process.
        RuntimeError: the processes failed for another reason; their output is on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="molmix-align-") as folder:
        given = Path(folder) / "arguments.json"
        given.write_text(json.dumps(arguments, default=str))
        # accelerate uses torchrun too, but its command line needs MPI for several processes without GPUs.
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command += ["--signals-to-handle", "SIGINT", "-m", "molmix.align.distributed", str(given)]
        threads = str(max(1, arguments["threads"] // processes))
        status = _run_torchrun(command, os.environ | {"OMP_NUM_THREADS": threads, FOLDER: folder}, Path(folder))
        if status:
            messages = sorted(Path(folder).glob("*.fault"))
            if messages:
                raise MolmixError(messages[0].read_text(encoding="utf-8"))
            raise RuntimeError(f"one of {processes} training processes ended with status {status}")


def _run_torchrun(command: list[str], environment: dict[str, str], folder: Path) -> int:
    """Run torchrun and wait for its end; returns its status.

    A request to stop is sent to the training processes, which finish their step and save. torchrun ignores the signal,
    because it would kill the processes after 30 seconds.
    """
    request = StopRequest()
    with request.listen():
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}  # inherited by torchrun
        torchrun = subprocess.Popen(command, env=environment, stdout=sys.stdout, stderr=sys.stderr)  # noqa: S603
        for number, handler in handlers.items():
            signal.signal(number, handler)
        while True:
            with suppress(subprocess.TimeoutExpired):
                return torchrun.wait(1)
            if request.signal:
                _pass_on(signal.Signals[request.signal], folder)


def _pass_on(number: signal.Signals, folder: Path) -> None:
    for process in folder.glob("*.pid"):
        with suppress(ProcessLookupError, ValueError):  # the process has ended, or has not written its id yet
            os.kill(int(process.read_text(encoding="ascii")), number)


def main(given: Path) -> None:
    """Align with the arguments in a JSON file, as one of several processes.

    In the folder of the file, the process writes its process id (``<rank>.pid``), and the message of a
    :class:`MolmixError` (``<rank>.fault``).
    """
    import torch

    from molmix.align.training import align

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    given.with_name(f"{os.environ['RANK']}.pid").write_text(str(os.getpid()), encoding="ascii")
    arguments: dict[str, Any] = json.loads(given.read_text(encoding="utf-8"))
    paths = ("start", "pairs", "out", "work", "curves", "store")
    arguments |= {name: Path(arguments[name]) for name in paths if name in arguments}
    for name in ("corpus", "nli"):
        arguments[name] = {key: Path(path) for key, path in arguments.get(name, {}).items()}
    try:
        align(**arguments)
    except MolmixError as error:
        given.with_name(f"{os.environ['RANK']}.fault").write_text(str(error), encoding="utf-8")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
