"""Recipes of several steps in the real graph, at micro size."""

from pathlib import Path

import pandas as pd
import pytest

from molmix.config import loading
from molmix.core.files import read_json, read_table
from molmix.pipeline import model_table
from tests.graph.conftest import one_direction

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(micro) -> dict:
    """SFT, DPO, KTO or GRPO after it, a merge of two of these, and CPO after that; one trains all weights."""
    chained = one_direction(micro)
    starts = {"sft": "mol2cap", "dpo": "mol2cap.sft", "kto": "mol2cap.sft", "cpo": "mol2cap.sft.dpo_kto.ties"}
    for name, start in starts.items():
        chained["align"][name]["starts"] = [start]
    chained["align"]["kto"]["rejected"] = "start"
    chained["align"]["more"] = {"method": "sft", "starts": ["mol2cap.sft.dpo"], "adapter": "continued"}
    chained["align"]["all"] = {"method": "sft", "starts": ["mol2cap.sft"], "adapter": "none"}
    chained["align"]["grpo"] = {
        "method": "grpo",
        "starts": ["mol2cap.sft"],
        "reward": {"atomic_f1": 1.0, "empty": -1.0},
        "eval_metrics": ["summac.consistency", "f1"],
        "eval_molecules": 4,
        "lora": {"r": 4},
        "settings": {"num_generations": 4, "max_completion_length": 24, "max_steps": 3, "eval_steps": 2}
        | {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1},
    }
    judged = {"kind": "judged", "samples": 3, "reward": {"atomic_f1": 1.0, "empty": -1.0}}
    chained["align"]["best"] = {"method": "dpo", "starts": ["mol2cap.sft"], "rejected": judged, "lora": {"r": 4}}
    chained["judges"] = {"atomic": {"kind": "atomic"}, "summac": {"kind": "summac_zs"}}
    chained["merge"] = {"starts": ["mol2cap.sft"], "methods": {"ties": {"method": "ties"}}}
    chained["merge"]["alignments"] = ["dpo", "kto", "all"]
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
    samples = read_table(tmp_path / "results/micro/preferences/judged-mol2cap.sft.best/rejected.mol2cap.parquet")
    assert all(row["lowest"] <= row["highest"] for row in samples.to_pylist())
    judged = read_table(tmp_path / "results/micro/preferences/judged-mol2cap.sft.best/pairs.parquet").to_pylist()
    best = {" ".join(row["chosen"].split()) for row in samples.to_pylist()}
    assert {row["chosen"].strip() for row in judged if row["direction"] == "mol2cap"} <= best
    rewarded = manifests / "mol2cap.sft.grpo"
    model = read_json(tmp_path / "results/micro/nli_models/embedded/manifest.json")["weights"]["digest"]
    assert read_json(rewarded / "manifest.json")["inputs"]["nli.embedded"] == model
    log = read_table(rewarded / "log.parquet").to_pandas()
    assert log["rewards/atomic_f1/mean"].notna().sum() == 3
    assert log.loc[log["eval_f1"].notna(), "step"].tolist() == [0, 2, 3]  # before, every second step, at the end
    assert (tmp_path / "results/micro/plots/rewards.svg").is_file()
    card = (tmp_path / "results/micro/cards/mol2cap.sft.dpo/README.md").read_text()
    assert "A LoRA adapter for `mol2cap.sft` with its own adapter folded into its weights" in card
    again = snakemake(tmp_path, "all", study=study)
    assert "Nothing to be done" in again.stdout
