"""Settings of an alignment: typed from TRL's own classes, refused with their key, resolved with their preset."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from molmix.align import trl_settings
from molmix.align.methods._shared import Alignment, load_class
from molmix.align.settings import METHOD_OF, METHODS, SECTIONS, Align
from molmix.config import documentation, loading
from molmix.core.errors import MolmixError
from tests.forked import ForkedPython


def section(method: str, **given):
    required = {"reward": {"bleu4": 1.0}} if "reward" in SECTIONS.get(method, Alignment).model_fields else {}
    return TypeAdapter(Align).validate_python({"method": method, "starts": ["a"]} | required | given)


@pytest.mark.parametrize("method", METHODS)
def test_presets_pass_their_own_checks(method):
    assert "modern" in METHODS[method].PRESETS
    for name, preset in METHODS[method].PRESETS.items():
        spec = section(method, preset=name, settings=preset["trl"], lora=preset["lora"])
        assert (spec.settings, spec.lora) == (preset["trl"], preset["lora"])
        assert spec.resolved() == section(method, preset=name).resolved()


def test_a_setting_replaces_one_value_of_the_preset():
    preset = METHODS["dpo"].PRESETS["paper"]
    made = section("dpo", preset="paper", settings={"beta": 0.3}, lora={"r": 8}).resolved()
    assert made["trl"] == preset["trl"] | {"beta": 0.3}
    assert made["lora"] == preset["lora"] | {"r": 8}
    assert list(made) == ["trl", "lora", "method", "reference", "quantize", "share"]


@pytest.mark.parametrize("name", sorted(METHOD_OF.keys() - METHODS.keys()))
def test_a_variant_has_its_methods_presets_with_another_loss(name):
    method = METHOD_OF[name]
    loss = method.VARIANTS[name].loss
    for preset in ("modern", "paper"):
        made = section(name, preset=preset).resolved()
        assert made["trl"].items() >= loss.items() and made["method"] == name
        assert made["lora"] == method.PRESETS[preset]["lora"]
        section(name, settings=made["trl"])  # each of them is a setting of its trainer
    assert section(name, settings={"beta": 0.7}).resolved()["trl"]["beta"] == 0.7


def test_numbers_as_yaml_reads_them():
    given = {"learning_rate": "5e-5", "warmup_steps": 0, "loss_type": "ipo"}
    made = section("dpo", settings=given).resolved()["trl"]
    assert (made["learning_rate"], made["warmup_steps"], made["loss_type"]) == (5e-5, 0.0, ["ipo"])


def test_a_section_is_dumped_as_it_was_given_and_read_again():
    given = {"settings": {"warmup_steps": 0.1, "beta": 0.3}, "lora": {"r": 8}}
    spec = section("cpo", **given)
    assert spec.model_dump()["settings"] == given["settings"] and list(spec.settings) == list(given["settings"])
    assert TypeAdapter(Align).validate_python(spec.model_dump()) == spec


def refused(method: str, **given) -> str:
    study = copy.deepcopy(documentation.DEMO)
    study["align"] = {"a": {"method": method, "starts": ["agnostic"]} | given}
    with pytest.raises(MolmixError) as caught:
        loading.parse(study)
    return str(caught.value).partition("\n")[2].strip()


@pytest.mark.parametrize(
    ("method", "settings", "said"),
    [
        ("dpo", {"learning_rte": 1e-5}, "settings.learning_rte: unknown key. Hint: did you mean 'learning_rate'?"),
        ("dpo", {"cpo_alpha": 1.0}, "settings.cpo_alpha: unknown key. Hint: did you mean 'ld_alpha'?"),
        ("sft", {"learning_rate": "fast"}, "settings.learning_rate: 'fast' is refused. Hint: give a number"),
        ("sft", {"learning_rate": 0.0}, "settings.learning_rate: 0.0 is refused. Hint: give more than 0"),
        ("sft", {"learning_rate": True}, "settings.learning_rate: true is refused. Hint: give a number"),
        ("sft", {"weight_decay": float("nan")}, "settings.weight_decay: nan is refused. Hint: give a finite number"),
        ("sft", {"gradient_accumulation_steps": True}, "true is refused. Hint: give a whole number"),
        ("sft", {"gradient_accumulation_steps": 2.0}, "2.0 is refused. Hint: give a whole number"),
        ("sft", {"max_steps": 10**30}, "is refused. Hint: give at most 1000000000"),
        ("cpo", {"max_length": None}, "settings.max_length: null is refused. Hint: give a whole number"),
        ("sft", {"lr_scheduler_type": "cosin"}, "'cosin' is refused. Hint: did you mean 'cosine'?"),
        ("sft", {"lr_scheduler_kwargs": 3}, "3 is refused. Hint: give keys with values or text"),
        (
            "dpo",
            {"loss_type": ["sigmoid", "ipoo"]},
            "loss_type.1: 'ipoo' is refused. Hint: did you mean 'ipo'?",
        ),
        ("kto", {"per_device_train_batch_size": 1}, "1 is refused. Hint: give at least 2"),
        ("dpo", {"train_sampling_strategy": "sequential"}, "Hint: give 'random' or 'group_by_length'"),
        ("kto", {"train_sampling_strategy": "group_by_length"}, "is set by molmix: KTO estimates"),
        ("sft", {"output_dir": "x"}, "settings.output_dir: is set by molmix: molmix decides where files go"),
        ("sft", {"seed": 1}, "`seeds`"),
        ("dpo", {"push_to_hub": True}, "settings.push_to_hub: is set by molmix: nothing is uploaded. Hint: remove it"),
    ],
)
def test_wrong_settings_are_refused_with_their_key(method, settings, said):
    message = refused(method, settings=settings)
    assert message.startswith("align.a.settings.") and said in message


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"rank": 8}, "lora.rank: unknown key. Hint: known keys here: alpha, dropout, init_lora_weights"),
        ({"dropout": 1.0}, "lora.dropout: 1.0 is refused. Hint: give less than 1"),
        ({"r": 0}, "lora.r: 0 is refused. Hint: give at least 1"),
        ({"r": True}, "lora.r: true is refused. Hint: give a whole number"),
        ({"target_modules": 3}, "lora.target_modules: 3 is refused. Hint: give `all-linear`"),
    ],
)
def test_wrong_adapter_settings_are_refused_with_their_key(lora, said):
    assert f"align.a.{said}" in refused("sft", lora=lora)


def test_a_reference_is_refused_where_the_loss_has_none():
    assert section("dpo", reference="random").resolved()["reference"] == "random"
    assert "align.a.reference: 'random' is refused. Hint: give 'start'" in refused("cpo", reference="random")


def test_settings_do_not_import_training_libraries():
    code = "import sys, molmix.align.settings; print([m for m in sys.modules if m in %r])"
    heavy = ("torch", "trl", "transformers", "peft", "datasets")
    made = subprocess.run([sys.executable, "-c", code % (heavy,)], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"


def test_the_shipped_settings_are_those_of_the_installed_trl():
    import dataclasses

    shipped = json.loads(trl_settings.SHIPPED.read_text())
    classes = {method.config_class: load_class(method.config_class) for method in METHODS.values()}
    assert shipped["classes"] == {name: trl_settings.describe_settings(config) for name, config in classes.items()}, (
        "run: python -m molmix.align.trl_settings"
    )
    fields = {field.name for config in classes.values() for field in dataclasses.fields(config)}
    assert set(trl_settings.RESERVED) <= fields, "these are no settings of TRL any more"


@pytest.mark.slow
def test_another_class_of_trl_is_looked_up_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("subprocess.Popen", ForkedPython)
    name, method = "trl.experimental.orpo.ORPOConfig", tmp_path / "orpo.py"
    method.write_text("# a method's file")
    found = trl_settings.descriptions({name: method})[name]
    assert found["beta"]["type"] == ["float"] and "output_dir" not in found
    (kept,) = tmp_path.rglob("*.json")
    kept.write_text(json.dumps({"from": {"type": ["str"]}}))
    assert trl_settings.descriptions({name: method})[name] == {"from": {"type": ["str"]}}  # TRL was not asked again


def test_a_class_that_trl_does_not_have_is_refused_with_the_methods_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(MolmixError, match=r"mine\.py: `config_class` 'trl\.NoConfig' cannot be read .*NoConfig"):
        (tmp_path / "mine.py").write_text("")
        trl_settings.descriptions({"trl.NoConfig": tmp_path / "mine.py"})


def test_without_trl_any_setting_is_taken():
    spec = trl_settings.settings_type("Mine", None, 1, {})
    assert TypeAdapter(spec).validate_python({"anything": 1}) == {"anything": 1}


def test_editors_learn_the_keys_of_each_method():
    schema = json.loads(documentation.json_schema())["$defs"]
    assert schema["CpoSettings"]["properties"]["cpo_alpha"]["type"] == "number"
    assert "cpo_alpha" not in schema["DpoSettings"]["properties"]
    assert schema["Lora"]["properties"].keys() == {
        "r",
        "alpha",
        "dropout",
        "target_modules",
        "use_dora",
        "use_rslora",
        "init_lora_weights",
        "modules_to_save",
    }
    assert not any(schema[name]["additionalProperties"] for name in ("CpoSettings", "Lora"))


@pytest.mark.parametrize("method", METHODS)
def test_a_methods_own_section_names_it(method):
    with pytest.raises(ValidationError):
        SECTIONS[method](method="other", starts=["a"])
    assert Path(sys.modules[METHODS[method].__module__].__file__).stem == method


def test_settings_of_models_are_printed():
    environment = os.environ | {"COLUMNS": "200"}
    command = [sys.executable, "-c", "from molmix.cli import run; run()", "models", "--settings"]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    import yaml

    models = yaml.safe_load(done.stdout)
    assert models["agnostic.dpo"]["trl"]["learning_rate"] == 3e-4 and models["agnostic.dpo"]["lora"]["r"] == 16
    assert models["agnostic.sft_dpo.ties"]["density"] == 0.2
