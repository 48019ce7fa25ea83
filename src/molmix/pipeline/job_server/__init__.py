"""Start-up paid once: a local run imports the heavy libraries in one process, which forks for every job.

Snakemake runs each script by ``python SCRIPT`` in a shell. :func:`start_job_server` starts the server and makes this
command a call of its client. Snakemake itself, its caching and its logs do not change.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from molmix.core.settings import Hardware

CLIENT = Path(__file__).with_name("client.py")
SOCKET = "MOLMIX_JOB_SERVER"  # environment variable: the socket of a server that several runs share (the tests do)


def serves(workflow: Any, hardware: Hardware) -> bool:
    """Whether the jobs of a run are to start by the server: they run here, by this Python, and without GPUs.

    Args:
        workflow: Snakemake's.
        hardware: of the config.
    """
    return (
        hardware.job_server
        and workflow.is_main_process
        and workflow.local_exec
        and not workflow.dryrun
        and not workflow.touch
        and not workflow.deployment_settings.deployment_method
        and not any(hardware.gpus.model_dump().values())
        and not Path("/dev/nvidiactl").exists()
    )


def start_job_server() -> str:
    """Start the server for the jobs of this process, or take the one that ``MOLMIX_JOB_SERVER`` names.

    Returns:
        What the shell of every job runs first (Snakemake's ``shell.prefix``); empty if the path of this Python cannot
        be the name of a shell function.
    """
    if not re.fullmatch(r"[\w./+-]+", sys.executable):
        return ""
    path = os.environ.get(SOCKET) or listen()
    # A function of the name of this Python. Snakemake formats the prefix, so braces are doubled.
    call = f"exec '{sys.executable}' -I -S '{CLIENT}' '{path}' '{sys.executable}' \"$@\""
    return f"set -euo pipefail; {sys.executable} () {{{{ {call}; }}}};"


def listen() -> Path:
    """Start a server. It ends when this process has ended and no job is left.

    Several runs of the same code can share it, one after the other or at once, if :data:`SOCKET` names its socket.

    Returns:
        The path of its socket.
    """
    path = Path(tempfile.mkdtemp(prefix="molmix-jobs-"), "socket")
    with socket.socket(socket.AF_UNIX) as listener:  # listens from now on, so that the first jobs wait for the server
        listener.bind(str(path))
        listener.listen(64)
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "molmix.pipeline.job_server.server", path, str(listener.fileno())],
            stdin=subprocess.PIPE,  # ends with this process
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            start_new_session=True,  # Ctrl-C reaches the clients, which pass it on
        )
    return path
