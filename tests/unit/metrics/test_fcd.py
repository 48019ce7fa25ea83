"""The Fréchet ChemNet Distance: against its package where that is installed, and as a figure of a set in the tables."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from molmix.analysis.leaderboard import leaderboard
from molmix.config.loading import parse
from molmix.core.errors import MolmixError
from molmix.core.files import write_json, write_table
from molmix.metrics.aggregate import SET_FIGURES, read_scores
from molmix.metrics.families.fcd import LONGEST, frechet_chemnet_distance
from molmix.metrics.score import write_scores
from molmix.pipeline.model_table import build
from tests.graph.conftest import MICRO

ONE = ["CCO", "CCN", "c1ccccc1", "CC(=O)O", "CCCCO", "CC(C)N"]
OTHER = ["OCC", "CCCl", "c1ccncc1", "CC(N)=O", "C1CCCCC1", "BrCC"]
UNKNOWN = ("facts", "truth", "properties")
OPTIONS = {"judges": {}, "vocabulary": None, "wordnet": None, "domain": "molecules", "fcd": True}


def write_answers(folder: Path, answers: list[str]) -> dict[str, Any]:
    """The arguments of `write_scores` for answers to descriptions of `ONE`."""
    ids = [f"m{row}" for row in range(len(ONE))]
    test = {"id": ids, "molecule": ONE, "smiles": ONE, "references": [["It is a dye."]] * len(ONE)}
    write_table(folder / "test.parquet", pa.table(test | {name: [None] * len(ONE) for name in UNKNOWN}))
    said = {"id": ids, "text": answers, "finish": ["stop"] * len(ONE)}
    write_table(folder / "said.parquet", pa.table(said))
    files = {"test": folder / "test.parquet", "predictions": folder / "said.parquet"}
    return files | {"direction": "cap2mol", "judged": {}, "text2mol": None, "options": OPTIONS}


def test_the_distance_is_that_of_the_package() -> None:
    fcd = pytest.importorskip("fcd")
    published = fcd.get_fcd(fcd.canonical_smiles(ONE, 1), fcd.canonical_smiles(OTHER, 1), device="cpu")
    found = frechet_chemnet_distance(ONE, [*OTHER, "C1CC", ""])
    assert found == pytest.approx(published, rel=1e-4) and found > 1
    assert frechet_chemnet_distance(ONE, [smiles[::-1] if smiles == "CCO" else smiles for smiles in ONE]) < 1e-3
    # The package pads all molecules to the length of the longest one, which changes the distance between the others.
    assert frechet_chemnet_distance(ONE, [*OTHER, "C" * (LONGEST + 1)]) == pytest.approx(found)
    assert np.isnan(frechet_chemnet_distance(ONE, ["CCO", "no molecule"]))


def test_scores_hold_the_distance_of_the_set_and_no_value_of_a_molecule(tmp_path: Path) -> None:
    pytest.importorskip("fcd")
    write_scores(**write_answers(tmp_path, OTHER), out=tmp_path / "scores.parquet")
    frame = read_scores(tmp_path / "scores.parquet")
    assert frame.attrs["set_figures"] == {"fcd": pytest.approx(frechet_chemnet_distance(ONE, OTHER))}
    assert "fcd" not in frame and frame["valid"].tolist() == [1.0] * len(ONE)


def test_the_leaderboard_shows_a_figure_of_a_set_without_interval(tmp_path: Path) -> None:
    for model, distance in (("one", 12.5), ("two", 3.25)):
        given = write_answers(tmp_path, OTHER)
        out = tmp_path / "scores" / model / "back.parquet"
        write_scores(**given | {"options": OPTIONS | {"fcd": False}}, out=out)
        table = pa.parquet.read_table(out)
        write_table(
            out, table.replace_schema_metadata({**table.schema.metadata, SET_FIGURES: f'{{"fcd": {distance}}}'})
        )
    columns = ["test", "metric", "sort", "model", "other", "verdict"]
    pd.DataFrame(columns=columns).to_csv(tmp_path / "comparisons.csv", index=False)
    write_json(tmp_path / "data.json", {"counts": {}})
    row = {"kind": "external", "parents": [], "method": "", "seed": None, "start": None}
    leaderboard(
        models={"one": row, "two": row},
        tests={"back": "cap2mol"},
        scores=tmp_path / "scores",
        comparisons=tmp_path / "comparisons.csv",
        statistics={"resamples": 50, "level": 0.95},
        options=OPTIONS,
        licences={},
        seeds=[1],
        config="c0ffee",
        corpus=tmp_path / "data.json",
        manifests=[],
        table=tmp_path / "leaderboard",
    )
    page = (tmp_path / "leaderboard.md").read_text()
    assert "| FCD ↓ |" in page and "| 12.500 |" in page and "| 3.250 |" in page
    assert "it has no interval and no test" in page and "fcd 12" not in page
    board = pd.read_csv(tmp_path / "leaderboard.csv").set_index("model")
    assert board["fcd"].to_dict() == {"one": 12.5, "two": 3.25} and board["fcd_low"].isna().all()


def test_without_the_package_or_without_molecules_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = copy.deepcopy(MICRO) | {"metrics": {"fcd": True}}
    monkeypatch.setattr("molmix.metrics.families.fcd.find_spec", lambda name: None)
    with pytest.raises(MolmixError, match=r"metrics.fcd: true, and the package fcd is not.*\n.*pip install fcd"):
        build(parse(content))
    monkeypatch.undo()
    del content["data"]["tests"]["back"]
    with pytest.raises(MolmixError, match=r"metrics.fcd: true, and no test set asks for molecules"):
        build(parse(content))
