"""The frame of every script, where its log or its inputs are unusual. (tests/unit/core has the usual cases.)"""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
from types import SimpleNamespace
from molmix.core.errors import fault
from molmix.pipeline.job import job

JOB = {{"rule": "score", "wildcards": {{}}, "params": {{}}, "resources": {{}}, "threads": 1}}
with job(SimpleNamespace(**JOB, log=["log/x.log"], input={inputs})):
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
    (tmp_path / "log").mkdir()
    (tmp_path / "log/x.log").symlink_to("/dev/full")
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
