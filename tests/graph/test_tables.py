"""The tables by the real graph, from scores that are there: no model is trained."""

from pathlib import Path

import pytest

from molmix import config, table
from tests.unit.test_comparison_tables import write_scores

pytestmark = pytest.mark.slow


def test_tables_are_made_from_scores_alone(tmp_path: Path, snakemake, micro) -> None:
    del micro["data"]["tests"]["back"]
    micro["seeds"] = [1, 2]
    write_scores(tmp_path / "results/micro/scores", list(table.build(config.parse(micro))))
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
