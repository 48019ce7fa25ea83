"""What reruns results: neither code that changed nor a copy of them; and molmix as a part of another workflow."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import ROOT, run_command
from tests.graph.test_dry_runs import planned

pytestmark = pytest.mark.slow
NOTHING = "Nothing to be done"


def checkout(folder: Path) -> Path:
    """A fresh checkout of the workflow, all of its files dated now."""
    folder.mkdir()
    for name in ("Snakefile", "workflow", "profiles", "config", "envs"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copy)
        else:
            shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def snakemake(folder: Path, *arguments: str, **environment: str) -> str:
    """What a run in a folder prints, with the Snakefile of that folder."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env=os.environ | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def forked(job_server: dict[str, str]) -> Callable[..., str]:
    """The same by a fork, which has the library of this checkout."""

    def snakemake(folder: Path, *arguments: str) -> str:
        words = ("--cores", "1", *arguments)
        done = run_command("snakemake", *words, folder=folder, environment=os.environ | job_server)
        assert done.returncode == 0, done.stdout
        return done.stdout

    return snakemake


def needed(folder: Path) -> str:
    """The rules that the library of a checkout takes for not done."""
    code = "from pathlib import Path; from molmix.pipeline.status.graph import jobs"
    code += "; found = jobs(Path('study.yaml'), ['data_all'])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print([job.rule for job in found if job.needed])"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        text=True,
        capture_output=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory, micro: dict[str, Any], forked) -> tuple[Path, tuple[str, ...]]:
    """A checkout in which the corpus of a study was made, and the arguments to ask for it again."""
    folder = checkout(tmp_path_factory.mktemp("made") / "molmix")
    (folder / "study.yaml").write_text(yaml.safe_dump(micro, sort_keys=False))
    arguments = ("data_all", "--configfile", "study.yaml")
    forked(folder, *arguments)
    return folder, arguments


def test_a_script_with_a_new_date_reruns_nothing(made, forked) -> None:
    folder, arguments = made
    for script in (folder / "workflow/scripts").glob("*.py"):
        script.touch()
    assert NOTHING in forked(folder, "-n", *arguments)
    assert NOTHING in forked(folder, "-n", *arguments, "--workflow-profile", "profiles/slurm")
    assert needed(folder) == "[]"  # what `molmix status` says
    # That is what the profiles are for: by itself Snakemake would.
    assert planned(forked(folder, "-n", *arguments, "--workflow-profile", "none")).keys() >= {"world", "corpus"}


def test_results_in_a_fresh_checkout_rerun_nothing(made, forked, tmp_path: Path) -> None:
    folder, arguments = made
    fresh = checkout(tmp_path / "fresh")
    shutil.copy(folder / "study.yaml", fresh)
    shutil.copytree(folder / "results", fresh / "results")
    assert NOTHING in forked(fresh, "-n", *arguments)
    # With Snakemake's records beside them, a setting that changed is seen.
    shutil.copytree(folder / ".snakemake", fresh / ".snakemake", dirs_exist_ok=True)
    assert NOTHING in snakemake(fresh, "-n", *arguments)
    study = yaml.safe_load((fresh / "study.yaml").read_text())
    study["data"]["subset"]["fraction"] = 0.5
    (fresh / "study.yaml").write_text(yaml.safe_dump(study))
    assert planned(forked(fresh, "-n", *arguments)) == {"corpus": 1, "data_all": 1}


OUTER = """
configfile: "study.yaml"


module molmix:
    snakefile:
        "molmix/Snakefile"
    config:
        config["captions"]


use rule * from molmix as molmix_*


rule mine:
    default_target: True
    input:
        "results/micro/data/manifest.json",
    output:
        "mine.txt",
    script:
        "mine.py"
"""
SCRIPT = """
from pathlib import Path

import molmix

Path(snakemake.output[0]).write_text(molmix.__file__)
"""


def test_another_workflow_uses_this_one_and_its_library(tmp_path: Path, micro: dict[str, Any]) -> None:
    library = checkout(tmp_path / "molmix") / "src"
    (tmp_path / "Snakefile").write_text(OUTER)
    (tmp_path / "mine.py").write_text(SCRIPT)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"captions": micro, "own": 1}, sort_keys=False))
    # Another library comes first on the path, as where one is installed.
    (tmp_path / "other/molmix").mkdir(parents=True)
    (tmp_path / "other/molmix/__init__.py").touch()
    said = snakemake(tmp_path, PYTHONPATH=str(tmp_path / "other"))
    assert {"molmix_world", "molmix_corpus", "mine"} <= planned(said).keys()
    assert (tmp_path / "mine.txt").read_text() == str(library / "molmix/__init__.py")
    assert {"molmix_align", "molmix_score", "molmix_nli"} <= planned(snakemake(tmp_path, "-n", "molmix_all")).keys()
