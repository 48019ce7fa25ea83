"""Every command in README and docs is tried: for real where that is cheap, else as a dry run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.snippets import PAGES, ROOT, snippets
from tests.docs.ways import Command, attempt, commands, is_run

ALL = [command for page in PAGES for block in snippets(page) if block.language == "bash" for command in commands(block)]
ONCE = list({command.text: command for command in ALL}.values())


def checkout(folder: Path) -> Path:
    """A folder to run in that has the configs, the examples and the profiles, and no results."""
    for name in ("config", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    return checkout(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Path:
    """A folder in which config/score.yaml was run."""
    folder = checkout(tmp_path_factory.mktemp("scored"))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--configfile", "config/score.yaml"]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_there_are_commands() -> None:
    assert {command.words[0] for command in ONCE} >= {"make", "snakemake", "molmix"}


@pytest.mark.parametrize("command", [one for one in ONCE if not is_run(one)], ids=str)
def test_it_would_run(command: Command, empty: Path) -> None:
    attempt(command, empty)


@pytest.mark.slow
@pytest.mark.parametrize("command", [one for one in ONCE if is_run(one)], ids=str)
def test_it_runs_on_a_finished_run(command: Command, scored: Path) -> None:
    attempt(command, scored)
