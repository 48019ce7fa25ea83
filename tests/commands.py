"""The commands `snakemake` and `molmix`, whose imports are paid once for all tests of a process.

Each command runs in a new process, with its own folder, environment and files. Python's forkserver imports the
libraries once, and forks for every command. A command that needs other code than this checkout's is started as usual.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
SNAKEFILE = ("--snakefile", str(ROOT / "Snakefile"))
MAIN = {
    "snakemake": ("snakemake.cli", "main"),
    "molmix": ("molmix.cli", "run"),
    "molmix of a small hub": ("tests.hub", "run_molmix"),
}
_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(
    [
        *(module for module, _ in MAIN.values()),
        # What Snakemake imports while it runs, and what the Snakefile imports.
        *(
            "snakemake.profiles",
            "snakemake.report.html_reporter",
            "snakemake.storage",
            "nbformat",
            "pulp",
            "smart_open",
        ),
        *(f"molmix.pipeline.{name}" for name in ("endings", "groups", "job_server", "job_settings", "named", "setup")),
    ]
)


def run_command(
    program: Literal["snakemake", "molmix", "molmix of a small hub"],
    *words: str,
    folder: Path,
    environment: Mapping[str, str] = os.environ,
    together: bool = True,
    seconds: float = 1800,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        program: the command.
        words: its arguments.
        folder: folder to run in.
        environment: all its environment variables.
        together: put what it prints on standard error into standard output, too.
        seconds: the longest time that it may take.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was killed.
    """
    with tempfile.TemporaryDirectory() as name:
        out, error = Path(name, "out"), Path(name, "error")
        files = (out, out if together else error)
        process = _FORKSERVER.Process(target=_become, args=(program, words, folder, dict(environment), files))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired([program, *words], seconds, out.read_text())
        said = [path.read_text() if path.exists() else "" for path in (out, error)]
        return subprocess.CompletedProcess([program, *words], process.exitcode, *said)


def _become(
    program: str, words: tuple[str, ...], folder: Path, environment: dict[str, str], files: tuple[Path, Path]
) -> None:
    """In the new process: what the command finds when it is started in a shell."""
    for number, path in enumerate(files, 1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *words]
    module, function = MAIN[program]
    getattr(import_module(module), function)()
