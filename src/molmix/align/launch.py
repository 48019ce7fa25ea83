"""One alignment on several GPUs of one machine: a process on each, which split every batch between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from molmix.align import ranks
from molmix.errors import MolmixError


def launch(arguments: dict[str, Any], processes: int) -> None:
    """Run :func:`molmix.align.run.align` in `processes` processes, as ``accelerate launch`` starts them.

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
        done = subprocess.run(  # noqa: S603 # our own command
            [*command, "-m", "molmix.align.process", str(given)],
            env=os.environ | {"OMP_NUM_THREADS": str(max(1, arguments["threads"] // processes)), ranks.FOLDER: folder},
            stdout=sys.stdout,
            stderr=sys.stderr,
            check=False,
        )
        if done.returncode:
            said = sorted(Path(folder).glob("*.fault"))
            if said:
                raise MolmixError(said[0].read_text(encoding="utf-8"))
            raise RuntimeError(f"one of {processes} training processes ended with status {done.returncode}")
