"""Run a job's script by the job server: a small program that stands for the job among the processes.

Started as ``python -I -S client.py SOCKET PYTHON SCRIPT``. It passes the script, its environment and its open files to
the server, forwards signals to the job, and ends as the job ends. It starts for every job, so it imports only what
loads fast, and nothing of molmix. Without a server it becomes ``PYTHON SCRIPT``.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main() -> None:
    """See the module."""
    path, python, script = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(path)
    except OSError:  # it was killed: the job does not need it
        os.execv(python, [python, script])  # noqa: S606
    umask = os.umask(0)
    os.umask(umask)
    folder = os.getcwd()  # noqa: PTH109 (pathlib loads slowly)
    request = {"script": script, "folder": folder, "environment": dict(os.environ), "umask": umask}
    job: list[int] = []  # its process id, once it is known
    early: list[int] = []  # signals that came before

    def forward(number: int, _: object) -> None:
        if not job:
            early.append(number)
            return
        with suppress(ProcessLookupError):
            os.kill(job[0], number)

    for number in FORWARDED:
        signal.signal(number, forward)
    answers = server.makefile("r", encoding="utf-8")
    try:
        socket.send_fds(server, [b"\0"], [0, 1, 2])
        server.sendall(json.dumps(request).encode() + b"\n")
        started = answers.readline()
        if started == "0\n":  # not a script that the server runs
            for handled in FORWARDED:
                signal.signal(handled, signal.SIG_DFL)
            os.execv(python, [python, script])  # noqa: S606
        if started:
            job.append(int(started))
            for came in early:
                forward(came, None)
        ended = answers.readline()
    except OSError:  # the server was killed
        ended = ""
    if not ended:
        print("molmix: the job server ended, and this job with it. Run snakemake again.", file=sys.stderr)
        os._exit(1)
    status = int(ended)
    if status < 0:  # killed by a signal: this program ends in the same way
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
