"""Ablations through the real graph: shares, a further corpus, a chosen arm; a table and a plot of each."""

import csv
from pathlib import Path
from typing import Any

import pytest

from molmix.core.files import read_json, read_table
from tests.graph.conftest import one_direction

pytestmark = pytest.mark.slow

ABLATIONS = {
    "corpus": {
        "title": "Trained on A, tested on B",
        "factor": "trained on",
        "baseline": "id's",
        "arms": {"id's": "mol2cap.sft", "ood's": "mol2cap.others", "neither": "mol2cap"},
    },
    "share": {
        "title": "Less for more",
        "factor": "share",
        "baseline": 0.15,
        "arms": {
            0.15: "mol2cap.sft",
            1: "mol2cap.all",
            "chosen": {"best": "coverage", "test": "id", "of": ["mol2cap.sft", "mol2cap.all"]},
        },
    },
}


@pytest.fixture(scope="module")
def study(micro: dict[str, Any]) -> dict[str, Any]:
    alike = {"method": "sft", "starts": ["mol2cap"], "lora": {"r": 4}}
    demo = {"kind": "demo", "split": "ood"}
    study = one_direction(micro)
    study["data"] |= {
        "corpora": {"others": demo},
        "tests": {name: {"source": {"kind": "demo", "split": name}, "rows": 8} for name in ("id", "ood")},
    }
    study["align"] = {
        "sft": alike,
        "all": alike | {"share": 1.0},
        "others": alike | {"share": 1.0, "corpus": "others"},
        "cpo": alike | {"method": "cpo"},
    }
    return study | {"ablations": ABLATIONS}


@pytest.fixture(scope="module")
def done(tmp_path_factory, snakemake, study) -> Path:
    folder = tmp_path_factory.mktemp("ablations")
    run = snakemake(folder, "ablations", study=study)
    assert run.returncode == 0, run.stdout[-5000:]
    return folder / "results/micro"


def rows(done: Path, name: str) -> list[dict[str, str]]:
    with (done / f"tables/ablation-{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_ends_in_a_table_and_a_plot(done: Path, name: str) -> None:
    arms = {str(arm) for arm in ABLATIONS[name]["arms"]}
    for test in ("id", "ood"):
        own = [row for row in rows(done, name) if (row["test"], row["metric"]) == (test, "coverage")]
        assert {row["arm"] for row in own} == arms and {row["n"] for row in own} == {"8"}
    assert all((done / f"plots/ablation-{name}.{kind}").stat().st_size > 1000 for kind in ("svg", "png"))


def test_no_model_but_those_of_the_arms_is_made(done: Path) -> None:
    assert {path.name for path in (done / "scores").iterdir() if path.is_dir()} == {
        "mol2cap", "mol2cap.sft", "mol2cap.all", "mol2cap.others",
    }  # fmt: skip


def test_each_arm_saw_its_own_share_of_its_own_corpus(done: Path) -> None:
    counts = read_json(done / "data/manifest.json")["counts"]
    seen = {"": counts["subset"], "share-1.0/": counts["train"], "corpora/others/share-1.0/": counts["corpora.others"]}
    for folder, said in seen.items():
        pairs = read_table(done / f"preferences/{folder}pairs.parquet").to_pandas()
        counted = read_json(done / f"preferences/{folder}manifest.json")["counts"]["mol2cap.train"]
        assert counted["rows"] == said["rows"]
        assert 0 < len(pairs[(pairs["split"] == "train") & (pairs["direction"] == "mol2cap")]) <= said["rows"]
    tested = set(read_table(done / "data/tests/ood.parquet").to_pandas()["molecule"])
    trained = read_table(done / "preferences/corpora/others/share-1.0/pairs.parquet").to_pandas()["prompt"]
    assert not any(molecule in prompt.split() for molecule in tested for prompt in trained)


def test_the_chosen_arm_is_the_model_that_covers_most(done: Path) -> None:
    own = {row["arm"]: row for row in rows(done, "share") if (row["test"], row["metric"]) == ("id", "coverage")}
    best = max(("0.15", "1"), key=lambda arm: float(own[arm]["value"]))
    assert own["chosen"]["model"] == own[best]["model"] and own["chosen"]["value"] == own[best]["value"]
