"""The model table: every model once, parents first, ids that stay."""

import copy
import re

import pytest

from molmix.config import documentation, loading
from molmix.core.errors import MolmixError
from molmix.pipeline import model_table
from molmix.pipeline.products import Products


def build(**changes) -> model_table.ModelTable:
    """The table of the demo without its chains: four methods from `agnostic`."""
    content = copy.deepcopy(documentation.DEMO)
    for name in ("dpo", "kto"):
        content["align"][name]["starts"] = ["agnostic"]
    content["merge"] |= {"starts": ["agnostic"], "of": "pairs"}
    for path, value in changes.items():
        node = content
        *way, last = path.split("__")
        for part in way:
            node = node[part]
        node[last] = value
    return model_table.build(loading.parse(content))


def test_demo_holds_every_kind() -> None:
    models = model_table.build(loading.parse(copy.deepcopy(documentation.DEMO)))
    assert {"agnostic", "mol2cap", "cap2mol"} <= set(models.of_kind("initial"))
    assert {"agnostic.sft", "agnostic.dpo", "agnostic.sft.dpo", "universal.slerp.cpo"} <= set(models.of_kind("aligned"))
    pairs = [m for m in models.of_kind("merged") if m.startswith("agnostic.")]
    # Every pair of three methods, and of two after SFT, by three merges; the three methods by two merges.
    assert len(pairs) == 3 * 3 + 3 + 2
    assert models["agnostic.sft_dpo_cpo.ties"].settings["weights"] == (1 / 3,) * 3
    assert "agnostic.sft.dpo_kto.ties" in pairs
    assert {"universal.slerp", "universal.ties", "universal.linear"} <= set(models.of_kind("merged"))


def test_parents_stand_before_children_and_ids_are_safe() -> None:
    seen: set[str] = set()
    for model, row in build().items():
        assert {*row.parents, *([row.base] if row.base else [])} <= seen
        assert re.fullmatch(r"[A-Za-z0-9._-]+", model)
        seen.add(model)


def test_a_further_seed_renames_nothing() -> None:
    one, two = build(), build(seeds=[7, 8])
    assert set(one) < set(two)
    assert two["agnostic.sft-s8"].seed == 8
    assert two["agnostic.sft_dpo-s8.ties"].parents == ("agnostic.sft-s8", "agnostic.dpo-s8")


def test_a_setting_of_one_method_changes_its_row_alone() -> None:
    one, two = build(), build(align__dpo__settings={"learning_rate": 3e-4})
    assert {model for model in one if one[model].settings != two[model].settings} == {"agnostic.dpo"}


def test_what_most_models_wait_for_is_made_first() -> None:
    study = loading.parse(copy.deepcopy(documentation.DEMO))
    models = model_table.build(study)
    needed = models.descendants()
    # agnostic.sft.dpo, .kto and their three merges; merges of sft with dpo and cpo by three methods, of all by two.
    assert needed["agnostic.sft"] == 2 + 3 + 6 + 2
    assert needed["mol2cap"] == 3 + 3 + 1 > needed["cap2mol"] == 3 + 1
    assert needed["agnostic.sft.dpo_kto.ties"] == 0
    urgency = Products(study, models).urgency
    assert set(urgency) == set(models) and {*urgency.values()} <= set(range(10))
    assert urgency["agnostic"] > urgency["mol2cap"] > urgency["cap2mol"]


def test_a_study_of_one_model_has_none_that_waits() -> None:
    content = copy.deepcopy(documentation.DEMO)
    content |= {"initial": {"agnostic": content["initial"]["agnostic"]}, "universal": {}, "align": {}, "merge": {}}
    content["preferences"], content["judge_validation"] = None, {}
    study = loading.parse(content)
    assert Products(study, model_table.build(study)).urgency == {"agnostic": 0}


def test_lineage_is_what_loading_reads() -> None:
    models = build()
    assert models.lineage("universal.slerp.cpo") == ["universal.slerp.cpo", "universal.slerp"]
    assert models.lineage("agnostic.sft_dpo.ties") == ["agnostic.sft_dpo.ties"]


def test_only_the_alignments_that_are_named_merge() -> None:
    models = build(merge__alignments=["cpo", "sft"])
    assert {m for m in models.of_kind("merged") if m.startswith("agnostic.")} == {
        f"agnostic.sft_cpo.{merge}" for merge in ("slerp", "ties", "linear")
    }


def test_a_share_of_one_alignment_changes_its_row_alone() -> None:
    one, two = build(), build(align__dpo__share=0.3)
    assert {model for model in one if one[model].settings != two[model].settings} == {"agnostic.dpo"}


def merged_from_agnostic(**changes) -> dict[str, tuple[str, ...]]:
    models = build(**changes)
    return {name: models[name].parents for name in models.of_kind("merged") if name.startswith("agnostic.")}


def test_sets_of_any_size_merge_and_the_start_can_be_one_of_them() -> None:
    every = ("agnostic.sft", "agnostic.dpo", "agnostic.cpo", "agnostic.kto")
    assert merged_from_agnostic(merge__of="all") == {
        f"agnostic.sft_dpo_cpo_kto.{method}": every for method in ("ties", "linear")
    }
    three = ("kto", "sft", "dpo")
    found = merged_from_agnostic(merge__of=[[*three], ["start", "cpo"]], seeds=[7, 8])
    assert found == {
        **{
            f"agnostic.kto_sft_dpo{suffix}.{method}": tuple(f"agnostic.{name}{suffix}" for name in three)
            for suffix in ("", "-s8")
            for method in ("ties", "linear")
        },
        **{
            f"agnostic.start_cpo{suffix}.{method}": ("agnostic", f"agnostic.cpo{suffix}")
            for suffix in ("", "-s8")
            for method in ("slerp", "ties", "linear")
        },
    }
    models = build(merge__of="all")
    assert models["agnostic.sft_dpo_cpo_kto.linear"].settings["weights"] == (0.25,) * 4


def test_universal_models_can_have_more_than_two_parents() -> None:
    further = {"parent": "agnostic", "kind": "made", "task": "mol2cap"}
    initial = documentation.DEMO["initial"] | {"third": further}
    universal = {"u": {"parents": ["mol2cap", "cap2mol", "third"], "base": "agnostic"}}
    models = build(initial=initial, universal=universal, align__cpo__starts=["u.ties", "agnostic"])
    assert models["u.ties"].parents == ("mol2cap", "cap2mol", "third") and "u.slerp" not in models
    assert models["u.ties.cpo"].parents == ("u.ties",)


MERGE_FAULTS = {
    "unknown": ({"merge__of": [["sft", "dop"]]}, r"merge\.of\.0: there is no alignment 'dop'.*'dpo'"),
    "one": ({"merge__of": [["sft"]]}, r"merge\.of.*two or more different"),
    "twice": ({"merge__of": [["sft", "sft"]]}, r"merge\.of.*two or more different"),
    "word": ({"merge__of": "every"}, r"merge\.of: 'every' .*`pairs`, `all`"),
    "strangers": (
        {"merge__of": [["sft", "dpo"]], "merge__starts": ["mol2cap"]},
        r"merge\.of\.0: no start .* sft, dpo, so they share no ancestor",
    ),
    "too many": (
        {"merge__of": "all", "merge__methods": {"slerp": {"method": "slerp"}}},
        r"merge\.of: no method of `merge\.methods` can merge a set of the models aligned from 'agnostic'",
    ),
    "too few": (
        {
            "merge__of": [["start", "sft"]],
            "universal": {},
            "align__cpo__starts": ["agnostic"],
            "merge__methods": {"ties": {"method": "ties"}, "stock": {"method": "model_stock"}},
        },
        r"merge\.methods\.stock: model_stock cannot merge any of the sets",
    ),
    "weights": (
        {"merge__of": [["sft", "dpo", "cpo"]], "merge__methods__ties": {"method": "ties", "weights": [1, 2]}},
        r"merge\.methods\.ties\.weights: 2 weights for a merge of 3 models",
    ),
    "no ancestor": (
        {"universal__universal": {"parents": ["agnostic", "cap2mol"], "base": "mol2cap"}},
        r"universal\.universal\.base: 'mol2cap' is not an ancestor of 'agnostic'",
    ),
}


@pytest.mark.parametrize("name", MERGE_FAULTS)
def test_merges_that_cannot_be_made_are_refused_before_a_run(name: str) -> None:
    changes, message = MERGE_FAULTS[name]
    with pytest.raises(MolmixError, match=f"(?s){message}"):
        build(**changes)


def test_numbers_name_arms() -> None:
    content = copy.deepcopy(documentation.DEMO)
    arms = {0.01: "agnostic", 1: "mol2cap"}
    content["ablations"] = {"beta": {"title": "t", "factor": "f", "baseline": 0.01, "arms": arms}}
    assert loading.parse(content).ablations["beta"].arms == {"0.01": "agnostic", "1": "mol2cap"}


def chained(**starts: list[str]) -> dict:
    """The demo's alignments with other starts."""
    return {name: documentation.DEMO["align"][name] | {"starts": there} for name, there in starts.items()}


def test_an_alignment_may_start_from_any_model() -> None:
    align = chained(sft=["agnostic"], dpo=["agnostic.sft", "agnostic"], cpo=["agnostic.sft"], kto=["agnostic.sft.dpo"])
    align["sft"] |= {"starts": ["agnostic", "agnostic.sft.dpo_cpo.ties"]}
    models = build(align=align, merge__starts=["agnostic.sft", "agnostic"])
    assert models["agnostic.sft.dpo.kto"].parents == ("agnostic.sft.dpo",)
    chain = ["agnostic.sft.dpo.kto", "agnostic.sft.dpo", "agnostic.sft", "agnostic"]
    assert models.lineage("agnostic.sft.dpo.kto") == chain
    merge = models["agnostic.sft.dpo_cpo.ties"]
    assert merge.parents == ("agnostic.sft.dpo", "agnostic.sft.cpo") and merge.base == "agnostic.sft"
    last = "agnostic.sft.dpo_cpo.ties.sft"
    assert models.lineage(last) == [last, "agnostic.sft.dpo_cpo.ties"]
    assert "agnostic.sft.dpo_cpo.ties" in models.kept(every=False)
    seen: set[str] = set()
    for model, row in models.items():
        assert {*row.parents, *([row.base] if row.base else [])} <= seen
        seen.add(model)


def test_the_expansion_of_a_config_is_told_and_many_models_are_warned_of() -> None:
    assert build().expansion() == "32 models: 3 initial, 8 aligned, 21 merged"
    many = build(seeds=list(range(14))).expansion()
    assert many.startswith("370 models: 3 initial, 112 aligned, 255 merged. That is many")
    assert "`merge.alignments`" in many


def test_a_chain_stays_with_its_seed() -> None:
    align = chained(sft=["agnostic"], dpo=["agnostic.sft"], cpo=["agnostic.sft"], kto=["agnostic.sft-s8"])
    models = build(align=align, merge__starts=["agnostic.sft"], seeds=[7, 8])
    assert models["agnostic.sft-s8.dpo-s8"].parents == ("agnostic.sft-s8",)
    assert models["agnostic.sft-s8.dpo-s8"].unseeded == models["agnostic.sft.dpo"].unseeded == "agnostic.sft.dpo"
    merge = models["agnostic.sft-s8.dpo_cpo-s8.ties"]
    assert merge.parents == ("agnostic.sft-s8.dpo-s8", "agnostic.sft-s8.cpo-s8")
    assert merge.unseeded == "agnostic.sft.dpo_cpo.ties"
    assert models["agnostic.sft-s8.dpo-s8"].seed == 8
    # A start whose id names a seed is the same for all seeds.
    assert models["agnostic.sft-s8.kto"].parents == models["agnostic.sft-s8.kto-s8"].parents == ("agnostic.sft-s8",)
    assert models["agnostic.sft-s8.kto"].unseeded == "agnostic.sft-s8.kto"


def test_an_adapter_that_is_continued_has_the_rank_of_its_start() -> None:
    align = chained(sft=["agnostic"], dpo=["agnostic.sft"])
    del align["dpo"]["lora"]
    align["dpo"]["adapter"] = "continued"
    models = build(align=align, merge__starts=[])
    assert models["agnostic.sft.dpo"].settings["lora"]["r"] == 16
    assert models.lineage("agnostic.sft.dpo") == ["agnostic.sft.dpo", "agnostic"]
    align["dpo"] |= {"adapter": "none", "starts": ["agnostic.sft"]}
    models = build(align=align, merge__starts=[])
    assert models.lineage("agnostic.sft.dpo") == ["agnostic.sft.dpo"]


@pytest.mark.parametrize(
    ("starts", "more", "expected"),
    [
        (
            {"sft": ["agnostic.dpo"], "dpo": ["agnostic.sft"]},
            {},
            ["align.sft.starts", "'agnostic.dpo' is never made: `sft` waits for `dpo` waits for `sft`, a circle"],
        ),
        (
            {"sft": ["mol2cap"], "dpo": ["agnostic.sft"]},
            {},
            ["align.dpo.starts: there is no model 'agnostic.sft'", "add 'agnostic' to `align.sft.starts`"],
        ),
        (
            {"sft": ["agnostic"], "dpo": ["agnostic.sfft"]},
            {},
            ["align.dpo.starts", "no model 'agnostic.sfft'", "did you mean 'agnostic.sft'?"],
        ),
        ({"sft": ["agnostic"]}, {"merge__starts": ["agnstic"]}, ["merge.starts", "did you mean 'agnostic'?"]),
        (
            {"sft": ["agnostic"], "dpo": ["agnostic"]},
            {"align__dpo__adapter": "continued", "align__dpo__lora": {}},
            ["align.dpo.starts: 'agnostic' has no adapter to continue"],
        ),
        (
            {"dpo": ["agnostic"]},
            {"align__dpo__method": "ipo", "align__dpo__settings": {"loss_type": "hinge"}},
            ["align.dpo.settings.loss_type: `method: ipo` sets it"],
        ),
        (
            {"sft": ["agnostic"]},
            {"align__sft__rejected": "start"},
            ["align.sft.rejected: `method: sft` reads no rejected texts"],
        ),
        (
            {"sft": ["agnostic"]},
            {"align__sft__adapter": "none"},
            ["align.sft.lora: with `adapter: none` no new adapter is made", "Hint: remove it"],
        ),
        (
            {"sft": ["agnostic"]},
            {"align__sft__adapter": "none", "align__sft__lora": {}, "align__sft__quantize": True},
            ["align.sft.quantize: `adapter: none` trains all weights, and not in 4 bits"],
        ),
    ],
)
def test_starts_and_settings_that_cannot_be_are_refused(starts: dict, more: dict, expected: list[str]) -> None:
    with pytest.raises(MolmixError) as caught:
        build(**{"align": chained(**starts), "merge__starts": []} | more)
    said = str(caught.value)
    assert all(part in said for part in expected), said


def universal(**changes) -> dict:
    return {"u": {"parents": ["mol2cap", "cap2mol"], "base": "agnostic"} | changes}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"universal": universal(parents=["mol2cap", "u.ties"])},
            ["universal.u.parents", "'u.ties' is itself a merge", "`align` can start from it"],
        ),
        ({"universal": universal(base="u.slerp")}, ["universal.u.base", "'u.slerp' is itself a merge"]),
        ({"universal": universal(parents=["mol2cap"])}, ["universal.u.parents", "name two or more initial models"]),
        ({"universal": universal(parents=["mol2cap", "agnostc"])}, ["universal.u.parents", "did you mean 'agnostic'?"]),
        ({"universal": universal(parents=["mol2cap", "mol2cap"])}, ["universal.u.parents", "is given twice"]),
        (
            {"initial": {"a": {"kind": "made", "task": "mol2cap", "parent": "b"}}},
            ["initial.a.parent", "there is no initial model 'b'"],
        ),
        (
            {"initial": {a: {"kind": "made", "task": "mol2cap", "parent": b} for a, b in ("wx", "xy", "yx")}},
            ["initial.x.parent", "'x' from 'y' from 'x': a circle"],
        ),
    ],
)
def test_wrong_parents_are_refused_in_plain_words(content: dict, expected: list[str]) -> None:
    with pytest.raises(MolmixError) as caught:
        build(**content)
    said = str(caught.value)
    assert all(part in said for part in expected), said
    assert not any(word in said for word in ("tuple", "safe name", "pattern"))


BY_START = {"kind": "judged", "reward": {"atomic_f1": 1}}


@pytest.mark.parametrize(
    "align",
    [
        {"method": "sft"},
        {"method": "grpo", "reward": {"atomic_f1": 1}},
        {"method": "dpo", "rejected": "start"},
        {"method": "dpo", "rejected": BY_START},
    ],
    ids=lambda align: align["method"],
)
def test_alignments_without_given_rejected_texts_need_no_preferences(align) -> None:
    models = build(preferences=None, align={"own": align | {"starts": ["agnostic"]}}, merge={}, universal={})
    assert "agnostic.own" in models


@pytest.mark.parametrize(("rejected", "direction"), [("preferences", "mol2cap"), (BY_START, "cap2mol")])
def test_alignments_that_read_given_rejected_texts_need_preferences(rejected, direction) -> None:
    align = {"own": {"method": "dpo", "starts": ["agnostic"], "rejected": rejected}}
    tests = {name: {"source": {"kind": "demo", "split": "id"}, "direction": name} for name in {"mol2cap", direction}}
    with pytest.raises(MolmixError, match=r"preferences: required by `align\.own`.*\n.*`align\.own\.rejected: start`"):
        build(preferences=None, align=align, merge={}, universal={}, data__tests=tests)
