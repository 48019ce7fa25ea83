"""The job server: one process that imports the heavy libraries once, and forks for every job of a local run.

Started as ``python -m molmix.pipeline.job_server.server SOCKET FILE``. A client sends the path of a script, its
environment and its open files. The server imports what such a script needs, unless an earlier job needed it too, and
forks. The child takes over the client's files, folder, environment and umask, and runs the script as ``python SCRIPT``
would.
Nothing that a job does reaches the server or another job.

* If a client ends before its job, by SIGKILL or otherwise, the server kills the job and all its processes.
* If the server is killed, the kernel kills its jobs, and their clients fail. Later jobs start without a server.
* If the Snakemake that started it ends, the server ends after its last job.

The server has one thread, which never computes, so that forking is safe: no lock can be held by another thread.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import runpy
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from molmix.core.fingerprint import read_loaded_code
from molmix.pipeline.job import set_environment

_PR_SET_PDEATHSIG = 1

_EVERY = ("snakemake.script", "snakemake.logging", "molmix.pipeline.job")
# PyArrow imports pandas when it makes a table of Python values.
_TABLES = (*_EVERY, "numpy", "pandas", "pyarrow", "pyarrow.parquet", "pyarrow.compute", "molmix.core.files")
_MODEL = (*_TABLES, "torch", "safetensors.torch", "transformers.models.llama.modeling_llama", "molmix.models.loading")
_NLI = (*_TABLES, "torch", "safetensors.torch", "transformers.models.bert.modeling_bert", "molmix.judges.nli.model")
_TRAINING = (*_MODEL, "datasets", "peft", "accelerate", "transformers.trainer", "torch.utils.tensorboard")
_STATISTICS = (*_TABLES, "scipy.stats")
_PLOTS = (*_STATISTICS, "matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg")
# Script -> modules that its jobs import. The other scripts write to the hub, and are rare.
MODULES: dict[str, tuple[str, ...]] = {
    "align.py": (
        *_TRAINING,
        "rich.live",
        "trl.trainer.sft_trainer",
        "trl.trainer.dpo_trainer",
        "molmix.align.training",
    ),
    "fetch.py": (*_MODEL, "molmix.models.pretrained"),
    "train_initial.py": (*_TRAINING, "molmix.models.small"),
    "train_nli.py": (*_TRAINING, "transformers.models.bert.modeling_bert", "molmix.judges.nli.training"),
    "generate.py": (*_MODEL, "peft", "molmix.generation.generate"),
    "generate_rejected.py": (*_MODEL, "peft", "molmix.generation.generate"),
    "merge.py": (*_MODEL, "peft", "mergekit.merge", "molmix.merge.merging", "molmix.generation.generate"),
    "merge_and_generate.py": (*_MODEL, "peft", "mergekit.merge", "molmix.merge.merging", "molmix.generation.generate"),
    "search_weights.py": (*_MODEL, "peft", "mergekit.merge", "molmix.merge.search"),
    "decompose.py": (*_TABLES, "molmix.judges.decompose.tables"),
    "ask_endpoint.py": (*_TABLES, "molmix.generation.endpoint", "molmix.generation.generate"),
    "nli.py": (*_TABLES, "molmix.judges.nli.inference"),
    "verdicts.py": (*_TABLES, "molmix.judges.verdicts"),
    # The first job of a run that asks an NLI model. Jobs of nli.py get its libraries, or find all pairs in the cache.
    "judge_licence.py": (*_NLI, "molmix.judges.nli.licence", "molmix.judges.nli.inference"),
    "adapt_nli.py": (*_TRAINING, "transformers.models.bert.modeling_bert", "molmix.judges.nli.adapt"),
    "audit.py": (*_NLI, "molmix.analysis.judge_validation.audit"),
    "score.py": (
        *_TABLES,
        "rdkit.Chem",
        "rapidfuzz.distance",
        "molmix.metrics.score",
        "molmix.metrics.families.captions",
        "molmix.metrics.families.facts",
    ),
    "comparisons.py": (*_STATISTICS, "molmix.analysis.comparison.compare"),
    "leaderboard.py": (*_STATISTICS, "molmix.analysis.leaderboard"),
    "compare_arms.py": (*_STATISTICS, "molmix.analysis.comparison.ablations"),
    "merge_search.py": (*_STATISTICS, "molmix.analysis.searches"),
    "plots.py": (*_PLOTS, "molmix.report.plots.figures"),
    "plot_arms.py": (*_PLOTS, "molmix.report.plots.ablations"),
    "plant_errors.py": (*_STATISTICS, "molmix.analysis.judge_validation.validate"),
    "judge_validation.py": (*_PLOTS, "molmix.analysis.judge_validation.validate", "molmix.report.plots.judges"),
    "agreement.py": (*_STATISTICS, "molmix.analysis.judge_validation.validate"),
    "corpus.py": (*_TABLES, "molmix.data.corpus"),
    "world.py": (*_TABLES, "molmix.data.synthetic.corpus"),
    "pairs.py": (*_TABLES, "molmix.data.preferences"),
    "sample_pairs.py": (*_TABLES, "molmix.align.judged_pairs"),
    "join_external.py": (*_TABLES, "molmix.generation.external"),
    "card.py": (*_TABLES, "molmix.models.cards"),
    "pages.py": (*_EVERY, "molmix.report.pages"),
    "explorer.py": (*_STATISTICS, "molmix.config.schema", "molmix.report.explorer"),
    "report.py": (
        *_STATISTICS,
        "molmix.analysis.provenance",
        "molmix.report.front_page",
        "molmix.report.snakemake_report",
    ),
    "report_so_far.py": (*_EVERY, "molmix.report.unfinished"),
    "text2mol.py": (*_MODEL, "molmix.metrics.text2mol_model"),
}


def serve(path: str, listening: int) -> None:
    """Listen at a socket until standard input ends and no job is left.

    Args:
        path: of the socket, in a folder that only its user may enter.
        listening: file descriptor of the socket.
    """
    hub = _hub_settings(os.environ)
    set_environment(threads=1)
    jobs: dict[int, socket.socket] = {}  # process id -> its client
    with socket.socket(fileno=listening) as listener, selectors.DefaultSelector() as waiting:
        woken = _wake_on_ended_children()
        waiting.register(listener, selectors.EVENT_READ)
        waiting.register(sys.stdin.fileno(), selectors.EVENT_READ)
        waiting.register(woken, selectors.EVENT_READ)
        wanted = True
        while wanted or jobs:
            for key, _ in waiting.select():
                if key.fileobj is listener:
                    client = _accept(listener)
                    if client and (job := _start(client, waiting, hub)):
                        jobs[job] = client
                        waiting.register(client, selectors.EVENT_READ, job)
                elif key.fileobj == sys.stdin.fileno():
                    if not os.read(sys.stdin.fileno(), 1024):
                        wanted = False
                        waiting.unregister(sys.stdin.fileno())
                elif key.fileobj == woken:
                    os.read(woken, 1024)
                    _report_ended(jobs, waiting)
                elif key.data in jobs:  # a client says nothing more, so it has ended
                    with suppress(ProcessLookupError):
                        os.killpg(key.data, signal.SIGKILL)
                    waiting.unregister(key.fileobj)
    with suppress(OSError):
        Path(path).unlink()
        Path(path).parent.rmdir()


def _wake_on_ended_children() -> int:
    """File that can be read whenever a child has ended."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _accept(listener: socket.socket) -> socket.socket | None:
    try:
        return listener.accept()[0]
    except OSError:
        return None


def _start(client: socket.socket, waiting: selectors.BaseSelector, hub: Mapping[str, str]) -> int | None:
    """Fork for a client's script. Returns the job's process id; None if the client ended before it had said all.

    A job with other settings of the hub than `hub`, those of the server, is left to its client.
    """
    files: list[int] = []
    try:
        _, files, _, _ = socket.recv_fds(client, 1, 3)
        request = json.loads(client.makefile("rb").readline())
        modules = MODULES.get(_name(request["script"]))
        if modules is None or _hub_settings(request["environment"]) != hub:
            client.sendall(b"0\n")
            client.close()
            return None
        if missing := [module for module in modules if module not in sys.modules]:
            for module in missing:
                with suppress(Exception):  # the job meets the same error, in its log
                    importlib.import_module(module)
            read_loaded_code()
        gc.collect()
        gc.freeze()  # the collector would copy the pages that jobs share
        if not (job := os.fork()):
            _become(client, waiting, files, request)
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(job, job)  # the child does the same; whoever is first
        client.sendall(f"{job}\n".encode())
        return job
    except (OSError, ValueError, KeyError):
        client.close()
        return None
    finally:
        for file in files:
            os.close(file)


def _name(script: str) -> str:
    """File name of a script in the workflow. Snakemake copies it to ``tmp….<name>``."""
    return Path(script).name.partition(".")[2]


def _hub_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What the client of the hub reads at its import. It reads the token at each request."""
    names = [name for name in environment if name.startswith("HF_") and not name.endswith("TOKEN")]
    return {name: environment.get(name, "") for name in (*names, "XDG_CACHE_HOME", "HOME")}


def _report_ended(jobs: dict[int, socket.socket], waiting: selectors.BaseSelector) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            job, status = ended
            client = jobs.pop(job)
            with suppress(OSError):
                client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            with suppress(KeyError):
                waiting.unregister(client)
            client.close()


def _become(client: socket.socket, waiting: selectors.BaseSelector, files: list[int], request: dict) -> NoReturn:
    """In the child: run the script as ``python SCRIPT`` would, and end."""

    def script() -> None:
        os.setpgid(0, 0)
        _end_with_the_server()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for entry in list(waiting.get_map().values()):
            if entry.fd > 2:
                with suppress(OSError):
                    os.close(entry.fd)
        with suppress(OSError):
            os.close(client.fileno())
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(file, mode) for file, mode in ((0, "r"), (1, "w"), (2, "w")))
        os.chdir(request["folder"])
        os.umask(request["umask"])
        os.environ.clear()
        os.environ.update(request["environment"])
        _set_seeds()
        path = request["script"]
        sys.argv = [path]
        sys.path[0] = str(Path(path).parent)
        runpy.run_path(path, run_name="__main__")

    run_and_end(script)


def run_and_end(script: Callable[[], object]) -> NoReturn:
    """Run what a forked process is for, and end the process with the status that Python would end with."""
    status = 1
    try:
        script()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _end_with_the_server() -> None:
    """Let the kernel kill this job if the server ends (Linux)."""
    server = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def _set_seeds() -> None:
    """Random numbers that nobody seeds, as in a new process: not the same in every job."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
