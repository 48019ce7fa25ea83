"""One new file is a new plug-in: each file of docs/extending.md, put into a copy of the project, is planned and run.

To test another kind of plug-in, show one on the page (a line with the file's path, its code, and a fragment of a study
that uses it) and name what its study plans and makes in `PLUGINS`.
"""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from molmix.core.files import read_json, read_table
from tests.docs.snippets import ROOT, snippets
from tests.graph.conftest import one_direction

PAGE = ROOT / "docs/extending.md"


@dataclass(frozen=True)
class Plugin:
    """A plug-in of the page.

    Attributes:
        file: its file, as the page names it.
        planned: what the plan of a study with it says.
        check: looks at the finished run, in its folder ``results/<run>``.
    """

    file: str
    planned: str
    check: Callable[[Path], None]


def aligned(run: Path) -> None:
    """The adapter was trained with the study's setting and the preset's others, and moved."""
    manifest = read_json(run / "models/mol2cap.wpo/manifest.json")
    assert (manifest["settings"]["trl"]["beta"], manifest["settings"]["trl"]["learning_rate"]) == (0.2, 5e-6)
    log = read_table(run / "models/mol2cap.wpo/log.parquet")
    assert len(log) == manifest["steps"] > 0 and "rewards/margins" in log.column_names


def merged(run: Path) -> None:
    """The recipe that mergekit ran has the weights of the study."""
    recipe = yaml.safe_load((run / "models/mol2cap.sft_wpo.arithmetic/mergekit.yaml").read_text())
    assert recipe["merge_method"] == "task_arithmetic"
    assert [model["parameters"]["weight"] for model in recipe["models"]] == [0.7, 0.3]


def judged(run: Path) -> None:
    """Its score stands in the table of scores and is a probability."""
    scores = read_table(run / "scores/mol2cap.wpo/id.parquet")
    (column,) = (name for name in scores.column_names if name.startswith("by-sentence"))
    assert all(0 <= value <= 1 for value in scores[column].drop_null().to_pylist())


def decomposed(run: Path) -> None:
    """Each atom is a sentence of the caption, so none is found twice."""
    for row in read_table(run / "atoms/whole-sentences/mol2cap.wpo/id.parquet").to_pylist():
        assert len(set(row["atoms"])) == len(row["atoms"])
    assert any("split-by-sentence" in name for name in read_table(run / "scores/mol2cap.wpo/id.parquet").column_names)


def measured(run: Path) -> None:
    """Its column stands in the scores and in the leaderboard, between those of the families beside it."""
    scores = read_table(run / "scores/mol2cap.wpo/id.parquet")
    assert all(0 <= value <= 1 for value in scores["distinct"].to_pylist())
    with (run / "tables/leaderboard.csv").open() as stream:
        columns = next(csv.reader(stream))
    assert columns.index("meteor") < columns.index("distinct") < columns.index("precision")


def planted(run: Path) -> None:
    """Captions in capitals were written, and every judge's answer to them stands in the table."""
    captions = read_table(run / "predictions/planted/id.parquet").to_pylist()
    assert any(row["edit"] == "capitals" for row in captions)
    with (run / "tables/judges.csv").open() as stream:
        assert {row["kind"] for row in csv.DictReader(stream) if row["edit"] == "capitals"} == {"harmless"}


PLUGINS = {
    "alignment method": Plugin("src/molmix/align/methods/wpo.py", "Aligning mol2cap.wpo", aligned),
    "merge method": Plugin("src/molmix/merge/methods/task_arithmetic.py", "Merging mol2cap.sft_wpo.arithmetic", merged),
    "judge": Plugin("src/molmix/judges/kinds/sentence_doc.py", "Judging mol2cap.wpo by by-sentence", judged),
    "decomposer": Plugin(
        "src/molmix/judges/decompose/backends/sentences.py", "into units (whole-sentences)", decomposed
    ),
    "metric": Plugin("src/molmix/metrics/families/repetition.py", "Scoring mol2cap.wpo", measured),
    "planted error": Plugin(
        "src/molmix/analysis/judge_validation/perturbations/capitals.py", "Planting errors", planted
    ),
}


def shown_files() -> dict[str, str]:
    """The new files of the page with their code."""
    return {snippet.file: snippet.text for snippet in snippets(PAGE) if snippet.file and snippet.language == "python"}


@pytest.fixture(scope="module")
def project(tmp_path_factory, micro) -> Path:
    """A copy of the project with the page's files, and a small study that uses all of them."""
    folder = tmp_path_factory.mktemp("extended") / "project"
    skip = shutil.ignore_patterns("results", "logs", ".*", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=skip)
    for file, text in shown_files().items():
        assert not (folder / file).exists() and (folder / file).parent.is_dir()
        (folder / file).write_text(text)
    study = one_direction(micro) | {"align": {"sft": micro["align"]["sft"]}}
    study["merge"] = {"starts": ["mol2cap"], "methods": {}}
    for snippet in snippets(PAGE):
        if snippet.language == "yaml" and not snippet.file:
            merge_into(study, yaml.safe_load(snippet.text))
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder


def merge_into(study: dict[str, Any], fragment: dict[str, Any]) -> None:
    for key, value in fragment.items():
        if isinstance(value, dict) and isinstance(study.get(key), dict):
            merge_into(study[key], value)
        else:
            study[key] = value


def run(project: Path, *command: str) -> str:
    """What a command prints, in the copy; the user's cache is one of its own."""
    environment = os.environ | {"PYTHONPATH": str(project / "src"), "XDG_CACHE_HOME": str(project / "cache")}
    done = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def snakemake(project: Path, *arguments: str) -> str:
    command = ["snakemake", "all", "judge", "--cores", "2", "--configfile", "study.yaml", *arguments]
    return run(project, sys.executable, "-m", *command)


@pytest.fixture(scope="module")
def plan(project: Path) -> str:
    return snakemake(project, "--dry-run")


def test_the_page_shows_every_plugin_that_is_tested_here() -> None:
    assert sorted(shown_files()) == sorted(plugin.file for plugin in PLUGINS.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLUGINS)
def test_a_new_file_is_planned(kind: str, plan: str) -> None:
    assert PLUGINS[kind].planned in plan


@pytest.mark.slow
def test_the_config_reference_follows(project: Path) -> None:
    run(project, sys.executable, "-m", "molmix.config.documentation")
    reference = (project / "docs/config.md").read_text()
    assert all(name in reference for name in ("wpo", "task_arithmetic", "sentence_doc"))


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    """The folder of the study's results."""
    snakemake(project)
    return project / "results/micro"


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLUGINS)
def test_a_new_file_does_what_it_says(kind: str, finished: Path) -> None:
    PLUGINS[kind].check(finished)


@pytest.mark.slow
def test_the_leaderboard_holds_the_new_models(finished: Path) -> None:
    with (finished / "tables/leaderboard.csv").open() as stream:
        models = {row["model"] for row in csv.DictReader(stream)}
    assert {"mol2cap.wpo", "mol2cap.sft_wpo.arithmetic"} <= models
