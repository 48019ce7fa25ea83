"""Paths and products of a study, and the names by which scripts find their files."""

import copy
from pathlib import Path
from typing import Any

import pytest
from snakemake.iocontainers import Namedlist

from molmix.config import documentation, loading
from molmix.pipeline import model_table
from molmix.pipeline.named import named, nested
from molmix.pipeline.paths import Paths, units_of_models
from molmix.pipeline.products import Products

R = "results/demo"


def paths(**changes: Any) -> Paths:
    study = loading.parse(copy.deepcopy(documentation.DEMO) | changes)
    table = model_table.build(study)
    return Paths(study, table, Products(study, table))


def test_a_script_gets_the_files_of_a_rule_as_the_rule_gave_them() -> None:
    files = {"": {"train": "a.parquet"}, "sft.ties": {"id": "b.parquet", "index": "c.parquet"}}
    flat = named("scores", files) | named("tests", {"id": "d.parquet"}) | {"scores": "e.parquet"}
    given = Namedlist(fromdict=flat)
    given._add_name("rejected/mol2cap")
    given._set_name("rejected/mol2cap", len(given), end=len(given))  # an input function that gave no file
    assert nested(given, "rejected") == {}
    assert nested(given, "scores") == {
        "": {"train": Path("a.parquet")},
        "sft.ties": {"id": Path("b.parquet"), "index": Path("c.parquet")},
    }
    assert nested(given, "tests") == {"id": Path("d.parquet")}
    assert nested(given, "nli") == {}


def test_what_loading_a_model_reads() -> None:
    found = paths()
    assert found.weights("agnostic") == [f"{R}/models/agnostic/weights"]
    assert found.weights("universal.slerp.cpo") == [
        f"{R}/models/universal.slerp.cpo/adapter",
        f"{R}/models/universal.slerp/weights",
    ]
    pretrained = {"agnostic": {"kind": "pretrained", "id": "some/model", "revision": "v1"}}
    initial = documentation.DEMO["initial"] | pretrained | mol2cap_alone()
    align = {"sft": documentation.DEMO["align"]["sft"]}
    hub = paths(initial=initial, align=align, universal={}, merge={})
    assert hub.weights("agnostic.sft") == [f"{R}/models/agnostic.sft/adapter"]


def mol2cap_alone() -> dict[str, Any]:
    return {name: {"kind": "made", "task": name} for name in ("mol2cap", "cap2mol")}


def test_pairs_and_training_text_lie_with_their_corpus_and_share() -> None:
    align = copy.deepcopy(documentation.DEMO["align"])
    for name in ("dpo", "kto"):
        align[name]["starts"] = ["agnostic"]
    align["sft"] |= {"share": 0.3}
    align["dpo"] |= {"corpus": "others"}
    data = documentation.DEMO["data"] | {"corpora": {"others": {"kind": "demo", "split": "ood"}}}
    found = paths(align=align, data=data, merge=documentation.DEMO["merge"] | {"starts": [], "of": "pairs"})
    assert found.pairs("agnostic.sft") == f"{R}/preferences/share-0.3/"
    assert found.pairs("agnostic.dpo") == f"{R}/preferences/corpora/others/"
    assert found.pairs("agnostic.kto") == f"{R}/preferences/"
    align["kto"] |= {"rejected": "start", "starts": ["agnostic.sft"]}
    chained = paths(align=align, data=data, merge=documentation.DEMO["merge"] | {"starts": [], "of": "pairs"})
    assert chained.pairs("agnostic.sft.kto") == f"{R}/preferences/by-agnostic.sft/"
    assert chained.rejected("", "by-agnostic.sft/") == {
        "mol2cap": f"{R}/preferences/by-agnostic.sft/rejected.mol2cap.parquet"
    }
    assert chained.products.rejecting_model("mol2cap", "by-agnostic.sft/") == "agnostic.sft"
    assert chained.products.on_policy_starts == ["agnostic.sft"]
    bare = paths(preferences=None, align={"sft": documentation.DEMO["align"]["sft"]}, merge={}, universal={})
    assert bare.rejected("", "") == {} and bare.products.rejected_sources("") == {"mol2cap": None}
    assert found.training("agnostic") == f"{R}/data/train.parquet"
    assert list(found.splits()) == ["", "others"]
    assert found.splits()["others"]["subset"] == f"{R}/data/corpora/others/subset.parquet"


@pytest.mark.parametrize(
    ("author", "folder"),
    [("reference", "data/tests"), ("planted-reference", "data/planted"), ("agnostic.sft", "predictions/agnostic.sft")],
)
def test_captions_of_an_author(author: str, folder: str) -> None:
    assert paths().captions(author) == {test: f"{R}/{folder}/{test}.parquet" for test in ("id", "ood")}


def test_captions_with_planted_errors_are_judged_against_their_own_references() -> None:
    found = paths()
    assert found.reference_units("atomic", "agnostic")["id"] == f"{R}/atoms/rules/reference/id.parquet"
    assert found.reference_units("atomic", "planted")["id"] == f"{R}/atoms/rules/planted-reference/id.parquet"
    assert found.generated_units("atomic", "planted")["id"] == f"{R}/atoms/rules/planted/id.parquet"


def test_a_merge_reads_its_parents_and_their_base_once() -> None:
    found = paths()
    assert found.table.merged_from("universal.slerp") == ["mol2cap", "cap2mol", "agnostic"]
    assert found.parents("universal.slerp") == [f"{R}/models/{model}/manifest.json" for model in ("mol2cap", "cap2mol")]


def test_captions_are_judged_and_molecules_are_not() -> None:
    data = copy.deepcopy(documentation.DEMO["data"])
    data["tests"]["back"] = {"source": {"kind": "demo", "split": "id"}, "direction": "cap2mol"}
    found = paths(data=data)
    assert list(found.predictions("agnostic")) == ["id", "ood", "back"]
    assert list(found.nli("atomic", "agnostic")) == list(found.tests(judged=True)) == ["id", "ood"]
    for test in data["tests"].values():
        test["direction"] = "cap2mol"
    assert paths(data=data).products.judges == {}


def test_tables_and_figures_are_those_that_the_study_has_models_for(tmp_path: Path) -> None:
    found = paths().products
    assert found.compared == ["comparisons", "merges", "alignments"]
    assert paths(seeds=[7, 8]).products.compared[-1] == "seeds"
    assert set(found.figures) == {
        *("training", "preferences", "rewards", "tradeoff", "distribution-ood", "cost"),
        *(f"{kind}-{test}" for kind in ("effects", "merges") for test in ("id", "ood")),
    }
    bare = paths(align={}, merge={}, universal={}, preferences=None, initial=mol2cap_alone()).products
    assert bare.compared == ["comparisons"] and set(bare.figures) == {
        "training",
        "tradeoff",
        "distribution-ood",
        "cost",
    }
    assert "judges" not in found.reported(tmp_path)["tables"]
    (tmp_path / "judges.md").touch()
    shown = found.reported(tmp_path)
    assert "judges" in shown["tables"] and "audit" not in shown["tables"] and "judges-id" in shown["figures"]
    assert "audit" in found.reported(tmp_path, judge_too=True)["tables"]
    # Made by the same run, after its pages were planned: the report of the finished run must not ask for its page.
    assert "judges" not in found.reported(tmp_path, finished=True)["tables"]
    (tmp_path / "judges.html").touch()
    assert "judges" in found.reported(tmp_path, finished=True)["tables"]


def test_merges_are_kept_if_a_model_starts_from_them() -> None:
    found = paths().products
    assert found.kept_merges == ["universal.slerp"]
    assert set(found.kept_merges) | set(found.temporary_merges) == set(paths().table.of_kind("merged"))
    assert not set(found.generating) & set(found.temporary_merges)
    merge = documentation.DEMO["merge"] | {"keep_weights": True}
    assert paths(merge=merge).products.temporary_merges == []


def test_units_on_disk_are_of_models_only(tmp_path: Path) -> None:
    for author, test in [("sft", "id"), ("dpo", "ood"), ("reference", "id"), ("planted", "id"), ("a", "id")]:
        (tmp_path / author).mkdir()
        (tmp_path / author / f"{test}.parquet").touch()
    assert units_of_models(tmp_path, "id") == [tmp_path / "a/id.parquet", tmp_path / "sft/id.parquet"]
