"""A short fault campaign, and trainings that are interrupted by real signals."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

pytestmark = pytest.mark.slow
SHORT = ["SIGKILL to the main process", "input flipped", "NLI cache zeroed", "two Snakemakes"]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, text=True, capture_output=True, check=False)


def test_a_short_campaign_ends_in_the_same_results(tmp_path: Path) -> None:
    done = python("-m", "faults", "--work", str(tmp_path), "--trials", str(len(SHORT)), "--faults", *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SHORT)} trials" in done.stdout and " 0 failed" in done.stdout


def test_an_interrupted_training_is_an_undisturbed_one(tmp_path: Path) -> None:
    figure = tmp_path / "resume.png"
    done = python("-m", "faults.resume", "--methods", "sft", "--figure", str(figure))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| sft | SIG") == 2
    assert figure.stat().st_size > 10_000
