"""The schema refuses what is wrong, in one message that a person can act on."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from molmix.config import documentation, loading
from molmix.core.errors import MolmixError
from molmix.pipeline import model_table
from molmix.pipeline.setup import ready

ROOT = Path(__file__).resolve().parents[3]


def demo() -> dict:
    return copy.deepcopy(documentation.DEMO)


def ablation(**changes) -> dict:
    plain = {"title": "t", "factor": "f", "baseline": "a", "arms": {"a": "agnostic", "b": "mol2cap"}}
    return {"one": plain | changes}


def message(content: dict) -> str:
    with pytest.raises(MolmixError) as caught:
        model_table.build(loading.parse(content, "study.yaml"))
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", documentation.GENERATED)
def test_generated_files_have_not_drifted(path: str) -> None:
    assert (ROOT / path).read_text() == documentation.GENERATED[path](), "run `make docs`"


def test_default_file_is_the_demo_and_fits_its_json_schema() -> None:
    content = loading.read_yaml(ROOT / "config" / "config.yaml")
    assert loading.parse(content) == loading.parse(demo())
    jsonschema.validate(content, json.loads((ROOT / "config" / "schema.json").read_text()))


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_is_whole(path: Path) -> None:
    assert model_table.build(loading.load(path)) is not None  # one without a model validates judges only


MADE = {"embedded": {"kind": "made"}}
ADAPTED_TWICE = {"once": "embedded", "twice": "once"}
CASES = {
    "unknown key": (lambda c: c.update(algn={}), ["algn", "did you mean 'align'?"]),
    "unknown nested key": (lambda c: c["data"]["train"].update(splt="x"), ["data.train.splt", "'split'"]),
    "unknown method": (
        lambda c: c["align"]["sft"].update(method="dpoo"),
        ["align.sft.method", "'dpoo'", "'dpo'"],
    ),
    "a test set from two places": (
        lambda c: c["data"].update(test_fraction=0.1, tests={"test": c["data"]["tests"]["id"]}),
        ["data", "`test_fraction` makes `test`, which is given too"],
    ),
    "a part of nothing": (
        lambda c: c["data"].update(train=None, validation=None, tests={}, test_fraction=0.1),
        ["data.tests.test.source", "part of data.train", "give `data.train`"],
    ),
    "no test set": (lambda c: c["data"].update(tests={}), ["data.tests"]),
    "scaffolds of texts": (
        lambda c: c.update(domain="text") or c["data"].update(tests={}, test_fraction=0.1, split="scaffold"),
        ["data.tests.test.source", "'scaffold' needs molecules"],
    ),
    "a whole share": (lambda c: c["data"].update(test_fraction=1.0), ["data.test_fraction", "1.0", "less than 1"]),
    "unknown stage": (lambda c: c.update(hardware={"gpus": {"algin": 1}}), ["hardware.gpus.algin", "'align'"]),
    "several GPUs for NLI": (
        lambda c: c.update(hardware={"gpus": {"nli": 2}}),
        ["hardware.gpus.nli", "2", "at most 1"],
    ),
    "unknown merge": (lambda c: c["merge"]["methods"]["slerp"].update(method="slrp"), ["slrp", "'slerp'"]),
    "fraction 0": (
        lambda c: c["data"].update(subset={"fraction": 0}),
        ["data.subset.fraction", "more than 0"],
    ),
    "fraction 2": (lambda c: c["data"].update(subset={"fraction": 2}), ["data.subset.fraction", "at most 1"]),
    "unsafe run name": (lambda c: c.update(run="../up"), ["run", "'../up'", "letters"]),
    "unsafe model name": (
        lambda c: c["initial"].update({"a+b": c["initial"]["agnostic"]}),
        ["a+b", "letters"],
    ),
    "start that is not there": (
        lambda c: c["align"]["sft"].update(starts=["agnostc"]),
        ["align.sft", "'agnostic'"],
    ),
    "aligned start that is not made": (
        lambda c: c["align"]["dpo"].update(starts=["cap2mol.sft"]),
        ["align.dpo.starts", "add 'cap2mol' to `align.sft.starts`"],
    ),
    "loop": (lambda c: c["initial"]["agnostic"].update(parent="mol2cap"), ["initial.", "parent"]),
    "NLI model adapted from one that is not there": (
        lambda c: c.update(nli=MADE | {"own": {"kind": "adapted", "parent": "embeded"}}),
        ["nli.own.parent", "'embeded'", "'embedded'"],
    ),
    "NLI model adapted twice": (
        lambda c: c.update(nli=MADE | {n: {"kind": "adapted", "parent": p} for n, p in ADAPTED_TWICE.items()}),
        ["nli.twice.parent", "'once' is adapted itself"],
    ),
    "NLI model adapted to a test set": (
        lambda c: (
            c["data"].update(train=c["data"]["tests"]["id"]["source"]),
            c.update(nli=MADE | {"own": {"kind": "adapted", "parent": "embedded"}}),
        ),
        ["nli.own.corpus", "test set 'id'", "other molecules"],
    ),
    "kind of pairs that is not there": (
        lambda c: c.update(nli=MADE | {"own": {"kind": "adapted", "parent": "embedded", "leave_out": ["numbers"]}}),
        ["nli.own.leave_out", "'numbers'", "'number'"],
    ),
    "chat template of models made here": (
        lambda c: c.update(prompts={"template": "chat"}),
        ["prompts.template", "initial.agnostic is made here", "initial.<name>.prompts"],
    ),
    "system without a chat template": (
        lambda c: c.update(prompts={"system": "You describe molecules."}),
        ["prompts", "needs `template: chat`"],
    ),
    "clashing ids": (
        lambda c: c["initial"].update(reference=c["initial"]["agnostic"]),
        ["reference", "another name"],
    ),
    "rejected by an aligned model": (
        lambda c: c["preferences"]["rejected"]["mol2cap"].update(model="nobody"),
        ["preferences.rejected.mol2cap.model", "nobody"],
    ),
    "no preferences": (lambda c: c.pop("preferences"), ["preferences", "rejected"]),
    "merging what is not aligned": (
        lambda c: c["merge"].update(alignments=["sft", "dop"]),
        ["merge.alignments", "'dop'", "'dpo'"],
    ),
    "ablation of a model that is not there": (
        lambda c: c.update(ablations=ablation(arms={"a": "agnostic", "b": "agnostic.stf"})),
        ["ablations.one.arms", "'agnostic.stf'", "'agnostic.sft'"],
    ),
    "ablation chosen from a model that is not there": (
        lambda c: c.update(
            ablations=ablation(arms={"a": "agnostic", "b": {"best": "bleu4", "test": "id", "of": ["agnostc"]}})
        ),
        ["ablations.one.arms", "'agnostc'", "'agnostic'"],
    ),
    "ablation chosen on a test set that is not there": (
        lambda c: c.update(
            ablations=ablation(arms={"a": "agnostic", "b": {"best": "bleu4", "test": "odd", "of": ["agnostic"]}})
        ),
        ["ablations.one.arms.b.test", "'odd'", "'ood'"],
    ),
    "ablation chosen by hallucination, and nobody judges it": (
        lambda c: c.update(
            judges={"a": {"kind": "fulldoc"}},
            ablations=ablation(arms={"a": "agnostic", "b": {"best": "coverage", "test": "id", "of": ["agnostic"]}}),
        ),
        ["ablations.one.arms.b.best", "'coverage' is not measured on the test set 'id'", "bleu4"],
    ),
    "ablation without its baseline": (
        lambda c: c.update(ablations=ablation(baseline="aa")),
        ["ablations.one.baseline", "'aa'", "'a'"],
    ),
    "ablation of one arm": (lambda c: c.update(ablations=ablation(arms={"a": "agnostic"})), ["ablations.one.arms"]),
    "arm named by a bare word that YAML takes for a truth value": (
        lambda c: c.update(ablations=ablation(arms={"a": "agnostic", False: "mol2cap"})),
        ["ablations.one.arms", "false", "quotes"],
    ),
    "arm named as a formula": (
        lambda c: c.update(ablations=ablation(arms={"a": "agnostic", "=1+1": "mol2cap"})),
        ["ablations.one.arms.=1+1", "letter"],
    ),
    "share of nothing": (lambda c: c["align"]["sft"].update(share=0), ["align.sft.share", "more than 0"]),
    "nothing to merge": (lambda c: c["merge"].update(starts=["cap2mol"]), ["merge.starts", "cap2mol"]),
    "repeated seeds": (lambda c: c.update(seeds=[1, 1]), ["seeds", "once"]),
    "prompt without its slot": (lambda c: c.update(prompts={"mol2cap": "Caption:"}), ["{molecule}"]),
    "unknown TRL setting": (
        lambda c: c["align"]["dpo"].update(settings={"learning_rte": 1}),
        ["align.dpo", "learning_rte", "learning_rate"],
    ),
    "wrong type of TRL setting": (
        lambda c: c["align"]["dpo"].update(settings={"beta": "x"}),
        ["align.dpo", "beta"],
    ),
    "judge without its NLI model": (
        lambda c: c.update(judges={"a": {"kind": "atomic", "nli": "embeded"}}),
        ["judges.a.nli", "'embeded'", "'embedded'"],
    ),
    "judge without its decomposer": (
        lambda c: c.update(judges={"a": {"kind": "atomic", "decomposer": "rule"}}),
        ["judges.a.decomposer", "'rules'"],
    ),
    "decomposer named as a unit": (
        lambda c: c.update(decomposers={"sentences": {"backend": "rules"}}),
        ["decomposers.sentences", "something else"],
    ),
    "training without a training split": (lambda c: c["data"].pop("train"), ["data.train", "training split"]),
    "molecules that are not there": (
        lambda c: c["data"]["tests"]["id"].update(
            source={"kind": "file", "path": "x.txt", "columns": {"molecule": None}}
        ),
        ["data.tests.id.source.columns.molecule", "column"],
    ),
    "system without a test set": (
        lambda c: c.update(systems=[{"name": "other", "predictions": {"id": {"path": "x.txt"}}}]),
        ["systems.0.predictions", "'ood'"],
    ),
    "system with a test set that is not there": (
        lambda c: c.update(systems=[{"name": "other", "predictions": {"odd": {"path": "x.txt"}}}]),
        ["systems.0.predictions.odd", "'ood'"],
    ),
    "features by id in one file for two test sets": (
        lambda c: c.update(metrics={"text2mol": {"weights": "w", "features": "f", "key": "id", "revision": "v1"}}),
        ["metrics.text2mol.features", "one file for 2 test sets", "{id: …, ood: …}"],
    ),
    "a test set without features": (
        lambda c: c.update(metrics={"text2mol": {"weights": "w", "features": {"id": "f"}, "revision": "v1"}}),
        ["metrics.text2mol.features", "'ood'"],
    ),
    "features of no test set": (
        lambda c: c.update(metrics={"text2mol": {"weights": "w", "features": {"odd": "f"}, "revision": "v1"}}),
        ["metrics.text2mol.features.odd", "'ood'"],
    ),
    "systems of one name": (
        lambda c: c.update(systems=[{"name": "a", "predictions": {"id": {"path": "x"}, "ood": {"path": "x"}}}] * 2),
        ["systems.1.name", "'a'"],
    ),
    "system with a model's name": (
        lambda c: c.update(systems=[{"name": "mol2cap", "predictions": {"id": {"path": "x"}, "ood": {"path": "x"}}}]),
        ["systems.0.name", "'mol2cap'", "taken"],
    ),
    "unknown adapter setting": (lambda c: c["align"]["dpo"].update(lora={"rank": 8}), ["align.dpo", "rank"]),
}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_refused_with_key_value_and_mend(change, expected) -> None:
    content = demo()
    change(content)
    text = message(content)
    for part in expected:
        assert part in text


@pytest.mark.parametrize(
    ("rejected", "line"),
    [
        ({"kind": "judged", "samples": 1}, ".samples: 1 is refused. Hint: give at least 2"),
        ({"kind": "judged", "reward": {}}, ".reward: {} is refused. Hint: give entries, at least 1"),
        ("strat", ": 'strat' is refused. Hint: did you mean 'start'?"),
    ],
)
def test_a_value_that_has_two_forms_is_told_in_its_own_form(rejected: object, line: str) -> None:
    content = demo()
    content["align"]["cpo"]["rejected"] = rejected
    assert message(content).splitlines()[1:] == [f"  align.cpo.rejected{line}"]


def test_all_mistakes_are_named_at_once() -> None:
    content = demo()
    content.update(algn={}, run="a/b")
    assert "2 things" in message(content)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run: a\nrun: b\n", ["line 2", "'run' is given twice"]),
        ("run: [a\n", ["is not YAML"]),
        ("- a\n", ["holds no keys"]),
        ("", ["holds no keys"]),
    ],
)
def test_yaml_that_is_refused(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(MolmixError) as caught:
        loading.read_yaml(tmp_path / "c.yaml")
    assert all(part in str(caught.value) for part in ["c.yaml", *expected])


def test_config_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes("run: é".encode("latin-1"))
    with pytest.raises(MolmixError, match="UTF-8"):
        loading.read_yaml(tmp_path / "c.yaml")


def test_one_large_model_lets_all_models_of_a_study_write_captions_in_one_type() -> None:
    content = demo()
    small = loading.parse(content)
    assert small.captioning() == small.generation.model_dump()
    content["initial"]["real"] = {"kind": "pretrained", "id": "epfl-llm/meditron-7b", "revision": "v1"}
    large = loading.parse(content)
    assert large.captioning() == large.rejecting() == small.captioning() | {"large_models": True}
    content["generation"]["dtype"] = "float32"
    asked = loading.parse(content)
    assert asked.captioning() == asked.generation.model_dump()


def test_rejected_texts_have_settings_of_their_own() -> None:
    content = demo()
    plain = loading.parse(content)
    assert plain.rejecting() == plain.generation.model_dump()
    content["preferences"]["generation"] = {"max_new_tokens": 40, "temperature": 0.7}
    own = loading.parse(content)
    content["generation"]["max_new_tokens"] = 500
    longer = loading.parse(content)
    assert own.rejecting() == longer.rejecting() == plain.rejecting() | {"max_new_tokens": 40, "temperature": 0.7}
    assert longer.generation.max_new_tokens == 500


def test_a_test_set_of_the_training_file_is_a_test_set() -> None:
    content = demo()
    content["data"] = {"train": {"kind": "demo", "split": "train"}, "test_fraction": 0.2, "split": "scaffold"}
    study = loading.parse(content)
    assert list(study.data.tests) == ["test"] and study.data.tests["test"].source.strategy == "scaffold"
    assert study.digest() == loading.parse(study.model_dump(by_alias=True)).digest(), "what jobs are given"
    jsonschema.validate(content, json.loads((ROOT / "config" / "schema.json").read_text()))


def test_yaml_round_trip_of_generated_default() -> None:
    assert yaml.safe_load(documentation.default_yaml()) == loading.read_yaml(ROOT / "config" / "config.yaml")


def test_the_old_name_of_a_key_is_still_read_and_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(yaml.safe_dump(demo() | {"trial": {"molecules": 6}}))
    new = loading.parse(demo() | {"judge_validation": {"molecules": 6}})
    assert loading.load(path) == loading.load(path) == new
    assert capsys.readouterr().err == f"molmix: {path}: the key `trial` is now called `judge_validation`; rename it\n"
    assert ready(yaml.safe_load(path.read_text()), [path], read_files=False)[0] == new
    assert capsys.readouterr().err == "", "jobs, which read the config again, say nothing"


def test_the_full_key_of_an_old_name_is_told(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(type(loading.parse(demo()).data.subset), "RENAMED", {"portion": "fraction"})
    content = demo()
    content["data"] = content["data"] | {"subset": {"portion": 0.5}}
    assert loading.parse(content, "study.yaml", announce=True).data.subset.fraction == 0.5
    told = "the key `data.subset.portion` is now called `data.subset.fraction`; rename it"
    assert capsys.readouterr().err == f"molmix: study.yaml: {told}\n"
    content["data"]["subset"]["portion"] = 2
    with pytest.raises(MolmixError, match=r"data\.subset\.fraction: 2 is refused"):
        loading.parse(content)
    content["data"]["subset"]["fraction"] = 0.5
    with pytest.raises(MolmixError, match=r"data\.subset\.portion: is the old name of `fraction`.*given too"):
        loading.parse(content)
