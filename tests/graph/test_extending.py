"""Adding a method, a merge, a judge or a metric is one file and one row: docs/extending.md, done to a copy of the
project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.snippets import ROOT, Snippet, snippets

PAGE = ROOT / "docs/extending.md"
CHECKS = """
import pandas as pd, pyarrow as pa
from molmix.judges import measure
from molmix.merge import MergeMethod
from molmix.metrics import Answers, FAMILIES, Options
from pydantic import TypeAdapter

# Two sentences, one reference: entailed by .9 and .5.
cells = {name: [[0.9, 0.5]] for name in ("forward_entailment", "forward_contradiction")}
cells |= {name: [[0.0, 0.0]] for name in ("backward_entailment", "backward_contradiction")}
pairs = pa.table({"id": ["a"], "n_generated": [2], "n_reference": [1], **cells})
assert abs(measure({"kind": "sentence_doc"}, pairs)["consistency"][0].as_py() - 0.7) < 1e-6

merge = TypeAdapter(MergeMethod).validate_python({"method": "task_arithmetic", "weights": [0.7, 0.3]})
recipe = merge.recipe(("p", "q"), "b")
assert [model["parameters"]["weight"] for model in recipe["models"]] == [0.7, 0.3] and recipe["base_model"] == "b"

family = {family().__name__.rpartition(".")[2]: family() for family in FAMILIES}["repetition"]
options = Options(judges={}, vocabulary=None, wordnet=None, domain="molecules")
texts = ["a b a b", ""]
rows = {name: [None] * 2 for name in ("molecules", "references", "facts", "truth")}
answers = Answers(direction="mol2cap", texts=texts, nli={}, options=options, **rows)
assert family.measure(answers)["distinct"].tolist() == [0.5, 0.0]
"""


def apply(snippet: Snippet, project: Path) -> None:
    """Put a file of the page in its place, or change the rows that it names."""
    path = project / snippet.file
    if snippet.language == "python":
        assert not path.exists()
        path.write_text(snippet.text)
        return
    text = path.read_text()
    for old, new in re.findall(r"^-(.*)\n((?:\+.*\n)+)", snippet.text, re.MULTILINE):
        assert text.count(old) == 1, f"{snippet.file} holds {old!r} {text.count(old)} times"
        text = text.replace(old, new.removesuffix("\n").replace("\n+", "\n").removeprefix("+"))
    path.write_text(text)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with all that the page adds."""
    folder = tmp_path_factory.mktemp("extended") / "project"
    skip = shutil.ignore_patterns("results", "logs", ".*", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=skip)
    added = [snippet for snippet in snippets(PAGE) if snippet.file]
    assert {snippet.language for snippet in added} == {"python", "diff"} and len(added) == 8
    for snippet in added:
        apply(snippet, folder)
    return folder


def run(project: Path, *command: str) -> str:
    """What a command prints, in the copy."""
    environment = os.environ | {"PYTHONPATH": str(project / "src")}
    done = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_page_adds_a_method_a_merge_and_a_judge_to_the_plan(project: Path, micro) -> None:
    run(project, sys.executable, "-m", "molmix.align.trl_settings")
    fragments = [yaml.safe_load(snippet.text) for snippet in snippets(PAGE) if snippet.language == "yaml"]
    align, merge, judges = (fragment for fragment in fragments)
    micro["align"] |= align["align"]
    micro["merge"]["methods"] |= merge["merge"]["methods"]
    micro |= judges
    (project / "study.yaml").write_text(yaml.safe_dump(micro, sort_keys=False))
    plan = run(project, sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--configfile", "study.yaml")
    assert "Aligning mol2cap.ipo" in plan
    assert "Merging mol2cap.dpo_ipo.arithmetic" in plan
    assert "Judging mol2cap.ipo by by-sentence" in plan


def test_what_the_page_adds_does_what_it_says(project: Path) -> None:
    run(project, sys.executable, "-c", CHECKS)


def test_the_config_reference_follows(project: Path) -> None:
    run(project, sys.executable, "-m", "molmix.config.documentation")
    reference = (project / "docs/config.md").read_text()
    assert all(name in reference for name in ("task_arithmetic", "sentence_doc", "ipo"))
