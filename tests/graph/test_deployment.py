"""The workflow outside its checkout: installed by pip, as a module of a repository; and every job in a container."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from setuptools import __version__ as setuptools_version

from molmix import Judge
from molmix.core.files import read_table
from tests.commands import ROOT
from tests.nli_models import make_model

pytestmark = pytest.mark.slow


def run(folder: Path, *command: str, **environment: str) -> str:
    """What a command prints, without the library of this checkout on the path."""
    cleaned = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=cleaned | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A repository with the files of this checkout."""
    folder = tmp_path_factory.mktemp("source") / "molmix"
    skip = shutil.ignore_patterns("results", "logs", ".*", "site", "build", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=skip)
    name = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    for words in (("init", "-q"), ("add", "."), (*name, "commit", "-q", "-m", "all")):
        run(folder, "git", *words)
    return folder


@pytest.fixture(scope="module")
def installed(project: Path, tmp_path_factory) -> Path:
    """An environment that `pip install` put molmix into; the other packages are those of this Python."""
    if int(setuptools_version.split(".")[0]) < 77:
        pytest.skip("setuptools is too old to build molmix without a network")
    environment = tmp_path_factory.mktemp("installed")
    words = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed", "--prefix")
    run(environment, sys.executable, "-m", "pip", *words, str(environment), str(project))
    return environment


def site_packages(environment: Path) -> str:
    (folder,) = environment.glob("lib/python*/site-packages")
    return str(folder)


REFERENCES = ["The molecule is a dye. It is long.", "It contains two rings.", "It is a fungal metabolite."]
CAPTIONS = ["The molecule is long.", "", "It is a dye. It contains two rings."]


@pytest.fixture(scope="module")
def scored(installed: Path, tmp_path_factory) -> tuple[Path, str]:
    """A folder without a config in which the installed command scored captions with `tiny`, and what it printed."""
    folder = tmp_path_factory.mktemp("scored")
    make_model(folder / "tiny", "bert")
    (folder / "references.txt").write_text("\n".join(REFERENCES) + "\n")
    (folder / "ours.txt").write_text("\n".join(CAPTIONS) + "\n")
    command = ("score", "references.txt", "ours.txt", "--nli", "tiny", "--out", "scored")
    return folder, run(folder, str(installed / "bin/molmix"), *command, PYTHONPATH=site_packages(installed))


def test_the_installed_command_scores_captions_in_any_folder(installed: Path, scored: tuple[Path, str]) -> None:
    folder, said = scored
    assert "# Leaderboard" in said and (folder / "scored/results/captions/explorer/index.html").is_file()
    assert str(installed / "share/molmix/Snakefile") in (folder / "scored/config.yaml").read_text()


def test_a_judge_gives_the_numbers_of_the_command(scored: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = scored
    scores = read_table(folder / "scored/results/captions/scores/ours/references.parquet").to_pandas()
    own = Judge(nli=folder / "tiny", store=tmp_path / "store").score(REFERENCES, CAPTIONS)
    columns = [
        "atomic_f1",
        "atomic_precision",
        "atomic_recall",
        "hallucination",
        "supported",
        "contradicted",
        "unsupported",
        "coverage",
    ]
    pd.testing.assert_frame_equal(scores[columns], own[columns], check_exact=True)


# As snakedeploy writes it.
MODULE = """
configfile: "config/config.yaml"


module molmix:
    snakefile:
        github("owner/molmix", path="Snakefile", commit="{commit}")
    config:
        config


use rule * from molmix
"""


def test_a_module_of_a_repository_uses_the_installed_library(
    project: Path, installed: Path, tmp_path: Path, micro
) -> None:
    commit = run(project, "git", "rev-parse", "HEAD").strip()
    # Snakemake's own clone of the repository: it asks no server for a commit that is there.
    clone = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache/github.com/owner/molmix"
    run(tmp_path, "git", "clone", "--quiet", "--bare", str(project), str(clone))
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(micro, sort_keys=False))
    (tmp_path / "Snakefile").write_text(MODULE.format(commit=commit))
    snakemake = (sys.executable, "-m", "snakemake", "--cores", "2")
    path = {"PYTHONPATH": site_packages(installed), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert "Aligning mol2cap.sft" in run(tmp_path, *snakemake, "-n", **path)
    run(tmp_path, *snakemake, "data_all", **path)
    assert (tmp_path / "results/micro/data/manifest.json").is_file()


# Takes the part of Apptainer: notes how it was called, and runs the command without a container.
APPTAINER = """#!/bin/bash
[ "$1" = --version ] && exec echo "apptainer version 1.3.6"
echo "$@" >> "{calls}"
while [ "$1" != bash ] && [ "$1" != sh ]; do shift; done
exec "$@"
"""


def test_every_job_runs_in_the_image(tmp_path: Path, micro) -> None:
    calls, program = tmp_path / "calls", tmp_path / "bin/apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER.format(calls=calls))
    program.chmod(0o755)
    (tmp_path / "molmix.sif").touch()
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(micro, sort_keys=False))
    snakemake = (sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "data_all")
    with_path = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    run(tmp_path, *snakemake, "--configfile", "study.yaml", "--software-deployment-method", "apptainer", **with_path)
    lines = calls.read_text().splitlines()
    assert [script for script in ("world.py", "corpus.py") if not any(script in line for line in lines)] == []
    assert all("molmix.sif" in line for line in lines)
