"""The frame of every script: its log, its inputs, and how errors are told."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
from types import SimpleNamespace
from molmix.core.errors import fault
from molmix.pipeline.job import job

JOB = {{"rule": "score", "wildcards": {{}}, "params": {{}}, "resources": {{}}, "threads": 1}}
with job(SimpleNamespace(**JOB, log=["logs/micro/x.log"], input={inputs})):
    {body}
"""


def run(folder: Path, body: str, inputs: str = "[]") -> subprocess.CompletedProcess[str]:
    code = CODE.format(body=body, inputs=inputs)
    return subprocess.run([sys.executable, "-c", code], cwd=folder, text=True, capture_output=True, check=False)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A folder whose log cannot be written, as on a disk that is full."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    (tmp_path / "logs/micro").mkdir(parents=True)
    (tmp_path / "logs/micro/x.log").symlink_to("/dev/full")
    return tmp_path


def test_the_working_directory_can_be_an_input(tmp_path: Path) -> None:
    done = run(tmp_path, "pass", "['.']")
    assert done.returncode == 0, done.stderr


def test_a_mistake_is_told_though_the_log_cannot_be_written(full: Path) -> None:
    done = run(full, "raise fault('a.tsv', 'is empty', 'fill it in')")
    assert done.returncode == 1
    assert done.stderr == "molmix score: a.tsv: is empty\n  Hint: fill it in\n"


def test_a_job_that_has_written_its_results_ends_well_though_its_log_cannot_be_written(full: Path) -> None:
    done = run(full, "open('result', 'w').write('1')")
    assert (done.returncode, done.stderr) == (0, "")


def run_job(folder: Path, body: str, resources: str = "{}") -> tuple[subprocess.CompletedProcess[str], str]:
    """Run some lines as a workflow job; returns what became of it, and its log."""
    code = "\n".join(
        [
            "from types import SimpleNamespace",
            "from molmix.pipeline.job import job",
            "from molmix.core.errors import fault",
            "INPUT = ['results/a', 'results/folder', 'results/gone', 'theirs']",
            f"RESOURCES = {resources}",
            "OWN = {'rule': 'align', 'wildcards': {}, 'params': {}}",
            "with job(SimpleNamespace(threads=1, log=['logs/x.log'], input=INPUT, resources=RESOURCES, **OWN)):",
            *(f"    {line}" for line in body.splitlines()),
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, text=True, capture_output=True, check=False)
    return done, (folder / "logs/x.log").read_text()


def test_chatter_goes_to_the_log(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "print('loading')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log == "loading\n"


def test_results_from_the_future_are_dated_back_and_files_of_others_are_not(tmp_path: Path) -> None:
    future = time.time() + 1000
    paths = ["results/a", "results/folder/.snakemake_timestamp", "theirs"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
        os.utime(tmp_path / path, (future, future))
    run_job(tmp_path, "pass")
    assert [(tmp_path / path).stat().st_mtime < future - 500 for path in paths] == [True, True, False]


def test_a_mistake_of_the_users_is_one_message(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "raise fault('data.tsv, row 3', 'the caption is empty', 'fill it in')")
    assert done.returncode == 1
    assert done.stderr == "molmix align: data.tsv, row 3: the caption is empty\n  Hint: fill it in\n"
    assert "Traceback" not in log and "row 3" in log


def test_an_unexpected_error_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr and "logs/x.log" in done.stderr and "Traceback" not in done.stderr
    assert "Traceback" in log


def test_a_job_without_its_gpus_says_so_before_it_works(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "print('loading')", "{'gpu': 64, 'gpu_memory_mb': 40000}")
    assert done.returncode == 1
    assert "hardware.gpus: asks for 64 GPUs, and PyTorch finds" in done.stderr and "gpu_partition" in done.stderr
    assert "loading" not in log


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    done, _ = run_job(tmp_path, "open('/dev/full', 'w').write('x' * 10**6)")
    assert done.returncode == 1
    assert "the disk is full" in done.stderr and "run it again" in done.stderr


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_a_job_frees_is_used_again_and_not_asked_of_the_system_again(tmp_path: Path) -> None:
    body = """import resource
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    [b'x' * 8_000_000 for _ in range(8)]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"""
    _, log = run_job(tmp_path, body)
    first, *later = map(int, log.split())
    assert first > 10_000  # 64 MB in pages of 4 kB
    assert max(later) < 100
