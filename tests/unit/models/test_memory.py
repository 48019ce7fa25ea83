"""What a model needs is known before it is loaded: memory, its own start, a GPU where 4 bits are asked for."""

import json
from pathlib import Path

import pytest

from molmix.config import loading, schema
from molmix.core.errors import MolmixError
from molmix.core.files import write_json
from molmix.models.loading import check_memory
from molmix.models.manifests import start_manifest
from molmix.pipeline import model_table

ROOT = Path(__file__).resolve().parents[3]


def headed(folder: Path, *shapes: list[int]) -> Path:
    """A folder of safetensors that have a header each, and no numbers."""
    folder.mkdir()
    for number, shape in enumerate(shapes):
        header = {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}, "__metadata__": {"format": "pt"}}
        text = json.dumps(header).encode()
        (folder / f"model-{number}.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    return folder


def test_weights_that_do_not_fit_are_refused_by_their_headers(tmp_path: Path) -> None:
    folder = headed(tmp_path / "large", [10**7, 10**6], [10**6])  # ten trillion numbers, over all shards
    with pytest.raises(MolmixError, match=r"large: needs 20000\.0 GB .* GB are free \(cpu\)"):
        check_memory(folder, 2, "cpu")


def test_weights_that_fit_are_not(tmp_path: Path) -> None:
    check_memory(headed(tmp_path / "small", [10, 10]), 4, "cpu")


def test_files_that_are_no_safetensors_are_the_loaders_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 20)
    check_memory(tmp_path, 4, "cpu")


def test_an_adapter_for_another_start(tmp_path: Path) -> None:
    for name, facts in {
        "llm": {"weights": {"digest": "new"}},
        "llm.sft": {"parents": ["llm"], "inputs": {"start": "old"}},
        "llm.dpo": {"parents": ["llm"], "inputs": {"start": "new"}},
    }.items():
        write_json(tmp_path / name / "manifest.json", facts)
    assert start_manifest(tmp_path / "llm.dpo/manifest.json") == tmp_path / "llm/manifest.json"
    with pytest.raises(MolmixError, match="trained on llm of the digest old, which is new now"):
        start_manifest(tmp_path / "llm.sft/manifest.json")


def test_four_bits_without_a_gpu(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    from molmix.align.policy import load_start

    with pytest.raises(MolmixError, match=r"(?s)quantize: .*GPU.*Hint: set `quantize: false`"):
        load_start(tmp_path / "manifest.json", True)


def study(**more: object) -> schema.Config:
    return loading.parse(loading.read_yaml(ROOT / "config/paper.yaml") | more)


def test_seeds_with_repeats() -> None:
    with pytest.raises(MolmixError, match=r"seeds: \[7, 17, 7\] holds a seed twice"):
        model_table.build(study(seeds=[7, 17, 7]))


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (["cap2mol.sftt"], "did you mean 'cap2mol.sft'"),
        (["molt5-large"], "'molt5-large' was not made here"),
        (["cap2mol.sft_dpo.ties"], "the weights of 'cap2mol.sft_dpo.ties' are not kept"),
    ],
)
def test_models_that_cannot_be_pushed(models: list[str], said: str) -> None:
    with pytest.raises(MolmixError, match=said):
        model_table.build(study(push={"repository": "lab/{model}", "models": models}))


@pytest.mark.parametrize("repository", ["lab/captions", "{model}"])
def test_a_place_to_push_to_that_is_none(repository: str) -> None:
    with pytest.raises(MolmixError, match="my-lab/captions-"):
        study(push={"repository": repository})


def test_what_can_be_pushed() -> None:
    models = ["cap2mol.sft-s17", "universal.slerp"]  # an adapter, and a merge that others start from
    model_table.build(study(push={"repository": "lab/{model}", "models": models}))
