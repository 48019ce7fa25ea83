"""The tables by the real graph, from scores that are there: no model is trained."""

from dataclasses import asdict
from pathlib import Path

import pytest

from molmix.config import loading
from molmix.core.files import write_json
from molmix.pipeline import model_table
from tests.runs import GOOD
from tests.unit.analysis.test_comparison_tables import write_scores

pytestmark = pytest.mark.slow


def test_tables_are_made_from_scores_alone(tmp_path: Path, snakemake, micro) -> None:
    del micro["data"]["tests"]["back"]
    micro["seeds"] = [1, 2]
    models = list(model_table.build(loading.parse(micro)))
    write_scores(tmp_path / "results/micro/scores", models)
    write_json(tmp_path / "results/micro/data/manifest.json", {"counts": {"tests.id": {"read": 50, "molecules": 40}}})
    for model in models:
        write_json(tmp_path / f"results/micro/models/{model}/manifest.json", {"device": "cpu"})
    licence = {"judge": "atomic", "nli": "embedded", "accuracy": None, "tests": {"id": asdict(GOOD)}}
    write_json(tmp_path / "results/micro/licences/atomic.json", licence)
    only = ("tables", "--allowed-rules", "comparisons", "leaderboard", "tables")
    run = snakemake(tmp_path, *only, study=micro)
    assert run.returncode == 0, run.stdout
    made = tmp_path / "results/micro/tables"
    names = ("leaderboard", "comparisons", "merges", "alignments", "seeds")
    assert {path.name for path in made.iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("csv", "md", "tex")
    }
    before = {path: path.read_bytes() for path in made.iterdir()}
    again = snakemake(tmp_path, *only, "--forcerun", "comparisons", study=micro)
    assert again.returncode == 0, again.stdout
    assert {path: path.read_bytes() for path in made.iterdir()} == before
