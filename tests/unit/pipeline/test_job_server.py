"""The job server runs scripts as Python would, and nothing survives what it must not survive."""

import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from molmix.pipeline.job_server import CLIENT, SOCKET, start_job_server
from molmix.pipeline.job_server.server import MODULES

ROOT = Path(__file__).resolve().parents[3]
LIGHT = "decompose.py"  # a script whose modules load fast


class Server:
    """A server, and clients that run scripts by it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket))
            listener.listen()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "molmix.pipeline.job_server.server", self.socket, str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )

    def client(self, code: str, name: str = LIGHT, **environment: str) -> subprocess.Popen[str]:
        script = self.folder / f"tmp{time.monotonic_ns()}.{name}"
        script.write_text(code)
        return subprocess.Popen(
            [sys.executable, "-I", "-S", CLIENT, self.socket, sys.executable, script],
            cwd=self.folder,
            env=os.environ | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def wait_for(condition, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    started = Server(folder)
    yield started
    started.process.kill()
    started.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as started:
        yield started


# A script that says who it is, starts a process of its own, and waits.
WAITS = """
import os, subprocess, time
from pathlib import Path
child = subprocess.Popen(["sleep", "600"])
Path("ids.new").write_text(f"{os.getpid()} {child.pid}")
os.rename("ids.new", "ids")
time.sleep(600)
"""


def ids(folder: Path) -> list[int]:
    wait_for((folder / "ids").exists)
    return [int(number) for number in (folder / "ids").read_text().split()]


def test_a_script_sees_what_it_would_see_without_a_server(server: Server) -> None:
    code = """
import os, sys
print(os.getcwd(), os.environ["OF_THIS_JOB"], sys.argv == [__file__], __name__, os.umask(0))
print("to stderr", file=sys.stderr)
raise SystemExit(3)
"""
    done = server.client(code, OF_THIS_JOB="given")
    out, error = done.communicate(timeout=60)
    os.umask(umask := os.umask(0))
    assert out.split() == [str(server.folder.resolve()), "given", "True", "__main__", str(umask)]
    assert (error, done.returncode) == ("to stderr\n", 3)


def test_jobs_do_not_share_what_they_change(server: Server) -> None:
    first = server.client("import json, os; json.ours = 1; os.environ['OURS'] = '1'; os.chdir('/')")
    assert first.wait(60) == 0
    second = server.client("import json, os; print(hasattr(json, 'ours'), os.environ.get('OURS'), os.getcwd())")
    assert second.communicate(timeout=60)[0] == f"False None {server.folder.resolve()}\n"


def test_random_numbers_that_nobody_seeds_differ_between_jobs(server: Server) -> None:
    code = "import random, numpy; print(random.random(), numpy.random.random())"
    drawn = {server.client(code).communicate(timeout=60)[0] for _ in range(2)}
    assert len(drawn) == 2


def test_the_key_of_a_cache_holds_the_code_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes during a run changes neither what the server imported nor what its jobs say that they ran."""
    shutil.copytree(ROOT / "src/molmix", tmp_path / "src/molmix", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))
    code = """
from molmix.core.fingerprint import code_digest
from molmix.judges.decompose import tables
print(code_digest(tables.__name__), code_digest("molmix.judges.nli.cache"), hasattr(tables, "NEW"))
"""
    with serving(tmp_path) as server:
        before = server.client(code).communicate(timeout=60)[0].split()
        for path in ("judges/decompose/tables.py", "judges/nli/cache.py"):
            with (tmp_path / "src/molmix" / path).open("a") as stream:
                stream.write("\nNEW = 1\n")
        after = server.client(code).communicate(timeout=60)[0].split()
    imported, not_imported, is_new = zip(before, after, strict=True)
    assert imported[0] == imported[1] and is_new == ("False", "False")
    assert not_imported[0] != not_imported[1]


def test_an_error_shows_its_traceback_and_fails_the_job(server: Server) -> None:
    done = server.client("1 / 0")
    assert "ZeroDivisionError" in done.communicate(timeout=60)[1]
    assert done.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["passed on", "killed with its client"])
def test_a_signal_to_the_client_ends_the_job(server: Server, number: signal.Signals) -> None:
    client = server.client(WAITS)
    job, started = ids(server.folder)
    client.send_signal(number)
    assert client.wait(60) == -number
    wait_for(lambda: ended(job))
    if number == signal.SIGKILL:  # as a process group it goes as a whole
        wait_for(lambda: ended(started))
    else:
        os.kill(started, signal.SIGKILL)


def test_a_killed_job_shows_its_signal(server: Server) -> None:
    client = server.client(WAITS)
    job, started = ids(server.folder)
    os.kill(job, signal.SIGKILL)
    os.kill(started, signal.SIGKILL)
    assert client.wait(60) == -signal.SIGKILL


def test_a_killed_server_takes_its_jobs_along_and_later_jobs_do_without(server: Server) -> None:
    client = server.client(WAITS)
    job, started = ids(server.folder)
    os.kill(started, signal.SIGKILL)  # it holds the client's stderr
    server.process.kill()
    assert "the job server ended" in client.communicate(timeout=60)[1]
    assert client.returncode == 1
    wait_for(lambda: ended(job))
    assert server.client("print('done')").communicate(timeout=60)[0] == "done\n"


def test_the_server_ends_with_its_last_job_after_the_one_who_started_it(server: Server) -> None:
    client = server.client("import time; time.sleep(1); print('done')")
    wait_for(lambda: len(psutil.Process(server.process.pid).children()) == 1)
    assert server.process.stdin
    server.process.stdin.close()
    assert client.communicate(timeout=60)[0] == "done\n"
    assert server.process.wait(60) == 0
    assert not server.socket.exists()


def test_a_script_that_is_not_listed_runs_without_the_server(server: Server) -> None:
    done = server.client("import os; print(os.getppid())", name="push.py")
    parent = int(done.communicate(timeout=60)[0])
    assert parent == os.getpid()  # the client has become the script


def test_a_job_with_other_settings_of_the_hub_runs_without_the_server(server: Server) -> None:
    """The client of the hub reads them at its import, which was in the server."""
    for environment, parent in (({"HF_TOKEN": "a"}, server.process.pid), ({"HF_HOME": "a"}, os.getpid())):
        client = server.client("import os; print(os.getppid())", **environment)
        assert int(client.communicate()[0]) == parent


def test_every_script_is_listed_but_those_that_write_to_the_hub() -> None:
    scripts = {path.name for path in (ROOT / "workflow/scripts").glob("*.py")}
    assert scripts - MODULES.keys() == {"list_pushed.py", "push.py"}
    assert MODULES.keys() <= scripts
    for module in {module for modules in MODULES.values() for module in modules}:
        importlib.import_module(module)


def test_the_shell_runs_this_python_by_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv(SOCKET, raising=False)
    before = psutil.Process().children()  # graph tests of this worker may share a server
    prefix = start_job_server().format()
    script = tmp_path / f"tmp1.{LIGHT}"
    script.write_text("import os, sys; print(os.getppid(), 'molmix.judges.decompose' in sys.modules)")
    (server,) = [process for process in psutil.Process().children() if process not in before]
    wait_for(lambda: [*tmp_path.glob("molmix-jobs-*/socket")])
    said = subprocess.check_output(["bash", "-c", f"{prefix} {sys.executable} {script}"], text=True)
    assert said.split() == [str(server.pid), "True"]
    server.kill()
    server.wait()


def test_runs_can_share_a_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKET, str(server.socket))
    before = psutil.Process().children()
    script = server.folder / f"tmp1.{LIGHT}"
    script.write_text("import os; print(os.getppid())")
    for _ in range(2):
        command = f"{start_job_server().format()} {sys.executable} {script}"
        assert subprocess.check_output(["bash", "-c", command], text=True).split() == [str(server.process.pid)]
    assert psutil.Process().children() == before
