"""Prompts: molecules and captions in templates, and molecules as SELFIES."""

import re
from typing import Any

import pytest

from molmix.config.loading import parse
from molmix.core.errors import MolmixError
from molmix.data.prompts import answer, prompt
from molmix.pipeline.model_table import build

SELFIES = "Molecule: <bom>{selfies}<eom>\nCaption:"


def study(template: str, **changes: Any) -> dict[str, Any]:
    return {
        "data": {"tests": {"id": {"source": {"kind": "demo", "split": "id"}}}},
        "prompts": {"mol2cap": template},
        "initial": {"biot5": {"kind": "pretrained", "id": "a/b", "revision": "v1"}},
    } | changes


def test_braces_of_a_text_are_text() -> None:
    assert prompt("Caption: {caption}\nMolecule:", "cap2mol", "a {molecule}") == "Caption: a {molecule}\nMolecule:"
    assert answer(" a\n dye ") == " a dye"


@pytest.mark.parametrize("word", ["{caption}", "{molecul}", "{Molecules}", "{smiles}", "{ molecule }"])
def test_a_word_in_braces_that_is_probably_meant_as_a_slot_is_refused(word: str) -> None:
    with pytest.raises(MolmixError, match=rf"prompts.mol2cap: .*Hint: {re.escape(word)} is not filled here"):
        parse(study(f"Molecule: {{molecule}} {word}\nCaption:"))


def test_a_slot_in_the_text_of_a_system_is_refused() -> None:
    prompts = {"mol2cap": "{molecule}", "template": "chat", "system": "You describe {molecule}."}
    with pytest.raises(MolmixError, match=r"prompts.system: .*Hint: \{molecule\} is filled in the templates only"):
        parse(study("{molecule}", prompts=prompts))


@pytest.mark.parametrize("text", ['{"caption": "…"}', r"\text{x}", "{{caption}}", "{}", "{name of the molecule}"])
def test_other_braces_of_a_template_are_text(text: str) -> None:
    template = f"{text} {{molecule}}"
    assert parse(study(template)).prompts.mol2cap == template
    assert prompt(template, "mol2cap", "CC") == f"{text} CC"


def test_molecules_as_selfies() -> None:
    selfies = pytest.importorskip("selfies")
    text = prompt(SELFIES, "mol2cap", "c1ccccc1O")
    assert text == f"Molecule: <bom>{selfies.encoder('c1ccccc1O')}<eom>\nCaption:" and "[=C]" in text
    build(parse(study(SELFIES)))
    with pytest.raises(MolmixError, match=r"'C1CC' cannot be written as SELFIES"):
        prompt(SELFIES, "mol2cap", "C1CC")


def test_selfies_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molmix.data.prompts.find_spec", lambda name: None)
    with pytest.raises(MolmixError, match=r"prompts.mol2cap: \{selfies\} needs the package selfies.*\n.*pip install"):
        build(parse(study(SELFIES)))


@pytest.mark.parametrize(
    ("template", "changes", "message"),
    [
        (SELFIES + "{molecule}", {}, "must hold {molecule} or {selfies} exactly once"),
        (SELFIES, {"domain": "text"}, "no molecules under `domain: text`"),
        (
            SELFIES,
            {
                "data": {
                    "train": {"kind": "demo", "split": "train"},
                    "tests": {"id": {"source": {"kind": "demo", "split": "id"}}},
                },
                "initial": {"start": {"kind": "made", "task": "mol2cap"}},
            },
            "initial.start is made here, from SMILES",
        ),
    ],
)
def test_templates_that_are_refused(template: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MolmixError) as error:
        build(parse(study(template, **changes)))
    assert message in str(error.value)
