"""Merges of three models, and of a start with a model aligned from it, through the graph."""

import csv
from pathlib import Path
from typing import Any

import pytest

from molmix.core.files import read_json, read_table
from tests.graph.conftest import one_direction

SETS = {
    "mol2cap.sft_dpo_cpo": ["mol2cap.sft", "mol2cap.dpo", "mol2cap.cpo"],
    "mol2cap.start_sft": ["mol2cap", "mol2cap.sft"],
}


@pytest.mark.slow
def test_sets_of_models_are_merged_compared_and_drawn(tmp_path: Path, micro: dict[str, Any], snakemake) -> None:
    align = {name: {"method": name, "starts": ["mol2cap"], "lora": {"r": 4}} for name in ("sft", "dpo", "cpo")}
    methods = {
        "slerp": {"method": "slerp"},
        "dare": {"method": "dare_ties", "density": 0.5},
        "linear": {"method": "linear"},
    }
    merge = {"starts": ["mol2cap"], "of": [["sft", "dpo", "cpo"], ["start", "sft"]], "methods": methods}
    by = {"algorithm": "grid", "values": {"t": [0.0, 0.3, 1.0]}}
    merge["search"] = {"best": {"merge": {"method": "slerp"}, "by": by, "metric": "atomic_f1"}}
    study = one_direction(micro) | {"align": align, "merge": merge}
    done = snakemake(tmp_path, "tables", "plots", study=study)
    assert done.returncode == 0, done.stdout[-3000:]
    run = tmp_path / "results" / "micro"
    for stem, parents in SETS.items():
        for method in methods:
            model = f"{stem}.{method}"
            if (method, len(parents)) == ("slerp", 3):
                assert not (run / "models" / model).exists()
                continue
            facts = read_json(run / "models" / model / "manifest.json")
            assert facts["parents"] == parents and facts["base"] == "mol2cap" and facts["dtype"] == "float32"
            assert abs(facts["erased"]["bfloat16"]) < 0.1  # the start is in float32: rounding adds and takes
            assert len(read_table(run / "predictions" / model / "id.parquet")) == 8
    found = read_json(run / "models/mol2cap.start_sft.best/search.json")
    assert found["tried"] == 3 and found["settings"]["t"] in by["values"]["t"]
    made = read_json(run / "models/mol2cap.start_sft.best/manifest.json")
    assert made["settings"]["t"] == found["settings"]["t"] and made["settings"]["search"]["tried"] == 3
    assert not (run / "models/mol2cap.sft_dpo_cpo.best").exists()  # SLERP merges two models
    with (run / "tables/merge_search.csv").open() as stream:
        chosen = [row for row in csv.DictReader(stream) if row["chosen"] == "True"]
    assert [(row["model"], float(row["t"])) for row in chosen] == [(found["id"], found["settings"]["t"])]
    assert "mol2cap.start_sft.best" in (run / "tables/leaderboard.csv").read_text()
    with (run / "tables/merges.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["first"], row["second"], row["third"]) for row in rows} == {
        tuple(SETS["mol2cap.sft_dpo_cpo"]),
        (*SETS["mol2cap.start_sft"], ""),
    }
    assert all(bool(row["third_value"]) == bool(row["third"] and row["value"]) for row in rows)
    page = (run / "tables/merges.md").read_text()
    assert "merges of three or more aligned models from mol2cap" in page and "sft + dpo + cpo" in page
    assert "All models wrote with weights in float32" in (run / "tables/leaderboard.md").read_text()
    assert (run / "plots/merges-id.svg").exists()
