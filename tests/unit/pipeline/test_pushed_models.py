"""Which models of a study can be uploaded: refused before any job starts otherwise."""

from pathlib import Path

import pytest

from molmix.config import loading, schema
from molmix.core.errors import MolmixError
from molmix.pipeline import model_table

ROOT = Path(__file__).resolve().parents[3]


def study(**more: object) -> schema.Config:
    return loading.parse(loading.read_yaml(ROOT / "config/paper.yaml") | more)


def test_a_seed_twice() -> None:
    with pytest.raises(MolmixError, match=r"seeds: \[7, 17, 7\] holds a seed twice"):
        model_table.build(study(seeds=[7, 17, 7]))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["cap2mol.sftt"], "did you mean 'cap2mol.sft'"),
        (["molt5-large"], "'molt5-large' is not a model that this study aligns or merges"),
        (["cap2mol.sft_dpo.ties"], "the weights of 'cap2mol.sft_dpo.ties' are not kept"),
    ],
)
def test_models_that_cannot_be_pushed(models: list[str], message: str) -> None:
    with pytest.raises(MolmixError, match=message):
        model_table.build(study(push={"repository": "lab/{model}", "models": models}))


@pytest.mark.parametrize("repository", ["lab/captions", "{model}"])
def test_a_repository_without_a_slot_for_the_model(repository: str) -> None:
    with pytest.raises(MolmixError, match="my-lab/captions-"):
        study(push={"repository": repository})


def test_an_adapter_and_a_merge_that_others_start_from_can_be_pushed() -> None:
    models = ["cap2mol.sft-s17", "universal.slerp"]
    table = model_table.build(study(push={"repository": "lab/{model}", "models": models}))
    assert [table[model].kind for model in models] == ["aligned", "merged"]
