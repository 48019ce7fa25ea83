"""Captions by a model behind an endpoint: its requests, what they cost, and the models that it cannot be."""

from pathlib import Path
from typing import Any

import pytest

from molmix.config.loading import parse
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table
from molmix.generation.endpoint import ask_endpoint
from molmix.models.settings import EndpointModel
from molmix.pipeline.model_table import build
from tests.endpoints import endpoint

GENERATION = {"max_new_tokens": 50, "temperature": 0.0, "top_p": 1.0}
PROMPTS = {"id": (["a", "b", "c"], ["Describe CCO", "Describe CCO", "Describe CO"])}


def ask(url: str, folder: Path, templates: dict[str, Any] | None = None, **settings: Any) -> list[dict[str, Any]]:
    spec = EndpointModel(kind="endpoint", base_url=url, model="tiny", key_variable=None, **settings)
    ask_endpoint(
        model="gpt", settings=spec.model_dump(), generation=GENERATION, prompts=PROMPTS, templates=templates or {},
        outs={"id": folder / "id.parquet"}, manifest=folder / "manifest.json", cache=folder / "cache",
    )  # fmt: skip
    return read_table(folder / "id.parquet").to_pylist()


def test_every_molecule_is_asked_about_once_and_what_it_costs_is_counted(tmp_path: Path) -> None:
    with endpoint(lambda request: f"<think>Hm.</think> About {request['messages'][-1]['content']}.") as (url, asked):
        system = {"template": "chat", "system": "You describe molecules."}
        rows = ask(url, tmp_path, system, prompt_price=2.0, completion_price=10.0)
        assert [row["text"] for row in rows] == ["About Describe CCO."] * 2 + ["About Describe CO."]
        assert [row["finish"] for row in rows] == ["stop"] * 3 and rows[0]["tokens"] == 20
        assert len(asked) == 2 and {request["max_tokens"] for request in asked} == {50}
        assert asked[0]["messages"][0] == {"role": "system", "content": "You describe molecules."}
        first = (tmp_path / "manifest.json").read_bytes()
        assert ask(url, tmp_path, system, prompt_price=2.0, completion_price=10.0) == rows
        assert len(asked) == 2 and (tmp_path / "manifest.json").read_bytes() == first
        ask(url, tmp_path, max_new_tokens=9)  # another question
        assert len(asked) == 4 and asked[-1]["max_tokens"] == 9
    facts = read_json(tmp_path / "manifest.json")
    assert facts["kind"] == "external" and facts["method"] == "endpoint" and facts["model"] == "tiny"
    assert read_json(tmp_path / "manifest.json")["answered"]["id"]["prompt_tokens"] == 200
    assert '"cost": 0.0008' in first.decode()  # 2 * 100 tokens at 2, and 2 * 20 at 10, for a million


def study(**changes: Any) -> dict[str, Any]:
    source = {"kind": "demo", "split": "id"}
    return {
        "data": {"train": {"kind": "demo", "split": "train"}, "tests": {"id": {"source": source}}},
        "initial": {
            "gpt": {"kind": "endpoint", "base_url": "http://localhost:1/v1", "model": "m"},
            "start": {"kind": "made", "task": "mol2cap"},
        },
        "preferences": {"rejected": {"mol2cap": {"kind": "model", "model": "start"}}},
    } | changes


def test_it_stands_in_the_table_beside_the_models_of_the_study() -> None:
    row = build(parse(study()))["gpt"]
    assert (row.kind, row.method, row.parents) == ("external", "endpoint", ())


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"align": {"sft": {"method": "sft", "starts": ["gpt"]}}}, "align.sft.starts"),
        ({"universal": {"both": {"parents": ["gpt", "start"], "base": "start"}}}, "universal.both.parents"),
        ({"preferences": {"rejected": {"mol2cap": {"kind": "model", "model": "gpt"}}}}, "preferences.rejected.mol2cap"),
    ],
)
def test_it_cannot_be_aligned_or_merged(changes: dict[str, Any], key: str) -> None:
    changes = {"align": {"sft": {"method": "sft", "starts": ["start"]}}, **changes}
    with pytest.raises(MolmixError, match=rf"{key}.*'gpt' is behind an endpoint, and has no weights"):
        build(parse(study(**changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain": "text"}, "examples.choose: 'nearest' compares molecules, and there are none"),
        (
            {"data": {"tests": {"id": {"source": {"kind": "demo", "split": "id"}}}}},
            "gpt.examples: examples are training",
        ),
    ],
)
def test_examples_need_training_molecules(changes: dict[str, Any], message: str) -> None:
    content = study(**changes)
    content["initial"] = {"gpt": content["initial"]["gpt"] | {"examples": {"number": 2}}}
    del content["preferences"]
    with pytest.raises(MolmixError, match=message):
        build(parse(content))
