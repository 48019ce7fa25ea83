"""Recipes of several steps in the real graph, at micro size."""

import copy
from pathlib import Path

import pandas as pd
import pytest

from molmix.config import loading
from molmix.core.files import read_json, read_table
from molmix.pipeline import model_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(micro) -> dict:
    """SFT, DPO or KTO after it, a merge of these two, and CPO after that; all weights are trained in one of them."""
    chained = copy.deepcopy(micro)
    starts = {"sft": "mol2cap", "dpo": "mol2cap.sft", "kto": "mol2cap.sft", "cpo": "mol2cap.sft.dpo_kto.ties"}
    for name, start in starts.items():
        chained["align"][name]["starts"] = [start]
    chained["align"]["kto"]["rejected"] = "start"
    chained["align"]["more"] = {"method": "sft", "starts": ["mol2cap.sft.dpo"], "adapter": "continued"}
    chained["align"]["all"] = {"method": "sft", "starts": ["mol2cap.sft"], "adapter": "none"}
    chained["merge"] = {"starts": ["mol2cap.sft"], "methods": {"ties": {"method": "ties"}}}
    chained["universal"] = {}
    return chained


def test_a_chain_of_recipes_stands_in_one_leaderboard(study, snakemake, tmp_path: Path) -> None:
    done = snakemake(tmp_path, "all", "cards", "explorer", study=study)
    assert done.returncode == 0, done.stdout
    table = model_table.build(loading.parse(study))
    assert "mol2cap.sft.dpo_kto.ties.cpo" in table
    board = pd.read_csv(tmp_path / "results/micro/tables/leaderboard.csv")
    assert set(board["model"]) == set(table)
    pairs = pd.read_csv(tmp_path / "results/micro/tables/comparisons.csv").query("sort == 'start'")
    compared = set(zip(pairs["model"], pairs["other"], strict=True))
    assert {
        ("mol2cap.sft.dpo", "mol2cap.sft"),
        ("mol2cap.sft.dpo_kto.ties.cpo", "mol2cap.sft.dpo_kto.ties"),
        ("mol2cap.sft.dpo_kto.ties", "mol2cap.sft"),
        ("mol2cap.sft.dpo.more", "mol2cap.sft.dpo"),
    } <= compared
    manifests = tmp_path / "results/micro/models"
    assert read_json(manifests / "mol2cap.sft.dpo.more/manifest.json")["adapts"] == "mol2cap.sft"
    assert (manifests / "mol2cap.sft.all/weights/model.safetensors").is_file()
    pairs = read_table(tmp_path / "results/micro/preferences/by-mol2cap.sft/pairs.parquet").to_pylist()
    texts = read_table(tmp_path / "results/micro/preferences/by-mol2cap.sft/rejected.mol2cap.parquet").to_pylist()
    written = {row["text"].strip() for row in texts}
    assert {row["rejected"].strip() for row in pairs if row["direction"] == "mol2cap"} <= written
    merged = read_json(manifests / "mol2cap.sft.dpo_kto.ties/manifest.json")
    assert merged["inputs"].keys() == {"mol2cap.sft.dpo", "mol2cap.sft.kto", "mol2cap.sft", "mol2cap"}
    card = (tmp_path / "results/micro/cards/mol2cap.sft.dpo/README.md").read_text()
    assert "A LoRA adapter for `mol2cap.sft` with its own adapter folded into its weights" in card
    again = snakemake(tmp_path, "all", study=study)
    assert "Nothing to be done" in again.stdout
