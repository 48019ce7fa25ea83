"""One SLURM for all tests here, and Snakemakes on it, each under a time limit."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.graph.conftest import MICRO, one_direction, snakemake  # noqa: F401 # a fixture
from tests.slurm import cluster

ROOT = Path(__file__).resolve().parents[2]
# As a person runs it, but for the pauses between two looks at the queue, which are for clusters with other users.
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "study.yaml"]
SNAKEMAKE += ["--workflow-profile", str(ROOT / "profiles/slurm")]
SNAKEMAKE += ["--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "2"]

TOKEN = "planted-hf-8f3a"  # which the environment of every Snakemake and job holds, and nothing else should

TINY: dict[str, Any] = {
    "run": "tiny",
    "data": {
        "train": {"kind": "demo", "split": "train"},
        "tests": {"id": {"source": {"kind": "demo", "split": "id"}, "rows": 8}},
    },
    "world": {"molecules": 300},
    "initial": {"small": {"kind": "made", "task": "mol2cap"}},
}


@dataclass
class Slurm:
    """A running cluster, as a person has it from a shell."""

    environment: dict[str, str]

    def says(self, *command: str) -> str:
        """What one of SLURM's commands prints."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=20, check=False
        ).stdout.strip()

    def jobs(self, folder: Path) -> list[dict[str, str]]:
        """Every job that was handed out in a folder, with what it asked for and what became of it, oldest first."""
        blocks = self.says("scontrol", "show", "job").split("\n\n")
        jobs = [dict(re.findall(r"(\S+?)=(.*?)(?=\s+\S+?=|\s*$)", block)) for block in blocks]
        own = [job for job in jobs if job.get("WorkDir") == str(folder)]
        return sorted(own, key=lambda job: int(job["JobId"]))

    def until(self, folder: Path, state: str, seconds: float = 120) -> dict[str, str]:
        """Wait until a job of a folder is in a state; give that job."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            found = [job for job in self.jobs(folder) if job["JobState"] == state]
            if found:
                return found[-1]
            time.sleep(0.3)
        raise AssertionError(f"no job {state} within {seconds} s: {self.jobs(folder)}")

    def start(self, folder: Path, *arguments: str, study: dict[str, Any] | None = None) -> MainProcess:
        """Start Snakemake in a folder, with the shipped profile."""
        (folder / "study.yaml").write_text(yaml.safe_dump(study or TINY, sort_keys=False))
        return MainProcess(self, folder, [*SNAKEMAKE, *arguments])


class MainProcess:
    """A Snakemake that hands out jobs. It hears SIGINT, which a background process of a script would not."""

    def __init__(self, slurm: Slurm, folder: Path, command: list[str]) -> None:
        self.out = folder / "main.out"
        with self.out.open("a") as stream:
            self.process = subprocess.Popen(
                ["env", "--default-signal=INT", *command],
                cwd=folder,
                env=slurm.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def ends(self, seconds: float = 300) -> int:
        """Its status; a Snakemake that hangs is killed and fails the test with what it said."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"Snakemake hangs after {seconds} s:\n{self.said()[-3000:]}")

    def dies(self) -> None:
        """Kill it as a power cut would: it cannot end its jobs."""
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        """All that Snakemake printed in this folder."""
        return self.out.read_text()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A cluster without accounting, as small ones are."""
    if reason := cluster.why_not():
        pytest.skip(reason)
    with cluster.cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield Slurm(environment | {"HF_TOKEN": TOKEN})


@pytest.fixture(scope="session")
def accounted() -> Iterator[Slurm]:
    """A cluster with accounting: munge, MariaDB and slurmdbd."""
    if reason := cluster.why_not(accounting=True):
        pytest.skip(reason)
    # Not in pytest's folder: munge's socket must be one that everybody can reach.
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        cluster.cluster(Path(folder), accounting=True) as environment,
    ):
        yield Slurm(environment)


@pytest.fixture(scope="session")
def whole() -> dict[str, Any]:
    """A study of every stage, with fewer models than the micro one has."""
    study = one_direction(MICRO)
    study["universal"] = {"both": {"parents": ["agnostic", "mol2cap"], "base": "agnostic"}}
    study["align"] = {name: study["align"][name] for name in ("sft", "dpo", "cpo")}
    study["merge"]["methods"] = {"slerp": {"method": "slerp"}}
    return study


@pytest.fixture(scope="session")
def finished(slurm: Slurm, whole: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The whole graph, run through SLURM once; its folder, and what Snakemake said."""
    folder = tmp_path_factory.mktemp("whole")
    main = slurm.start(folder, "all", "judge", study=whole)
    status = main.ends(3000)
    assert status == 0, main.said()[-5000:]
    return folder, main.said()


@pytest.fixture
def molmix(slurm: Slurm) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the `molmix` command beside the cluster."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from molmix.cli import run; run()", *arguments]
        return subprocess.run(
            command, cwd=folder, env=slurm.environment, text=True, capture_output=True, timeout=300, check=False
        )

    return run
