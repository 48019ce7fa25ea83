"""A short fault campaign, and trainings that are interrupted by real signals."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.graph.conftest import ROOT

pytestmark = pytest.mark.slow
SHORT = ["SIGKILL to the job", "SIGKILL to the head", "input flipped", "pair store zeroed", "two heads"]


def test_a_short_campaign_ends_in_the_same_results(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "faults", "--work", str(tmp_path), "--trials", str(len(SHORT)), "--faults", *SHORT],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SHORT)} trials" in done.stdout and " 0 failed" in done.stdout
    assert all(name in done.stdout for name in SHORT)


def test_an_interrupted_training_is_an_undisturbed_one(tmp_path: Path) -> None:
    from faults.resume import compare

    assert compare(tmp_path, ["sft"], tmp_path / "resume.png") < 1e-6
    assert (tmp_path / "resume.png").stat().st_size > 10_000
