"""A model is what its files say, or it is refused: by everyone who reads it, in one message."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, write_json
from molmix.models.loading import check_adapter, check_model, load
from molmix.models.manifests import start_manifest, write_manifest
from molmix.models.pretrained import fetch, licence
from molmix.models.small import make_tokenizer
from tests.nli_models import make_model

TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama whose output layer is stored apart from its embedding."""
    tokenizer = make_tokenizer([("CCO", "The molecule is a dye.")], TEMPLATES, 300)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = LlamaConfig(
        vocab_size=len(tokenizer), num_attention_heads=4, bos_token_id=1, eos_token_id=2, pad_token_id=0, **sizes
    )
    folder = tmp_path_factory.mktemp("good") / "weights"
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def change_weights(change: Callable[[State], State]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})

    return spoil


def change_config(**keys: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | keys))

    return spoil


def with_number(number: float) -> Callable[[State], State]:
    def change(state: State) -> State:
        state["model.norm.weight"][3] = number
        return state

    return change


def with_added_token(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokenizer.add_tokens(["[mol]"])
    tokenizer.save_pretrained(folder)


def with_adapter(folder: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = LlamaForCausalLM.from_pretrained(folder)
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(folder)


STRUCTURE: dict[str, tuple[Callable[[Path], None], str]] = {
    "saved through torch.compile": (
        change_weights(lambda state: {f"_orig_mod.{name}": weight for name, weight in state.items()}),
        r"lacks lm_head\.weight and 20 more tensors; it stores _orig_mod\.lm_head\.weight",
    ),
    "no output layer": (
        change_weights(lambda state: {name: state[name] for name in state if name != "lm_head.weight"}),
        r"weights: lacks lm_head\.weight",
    ),
    "more layers in the config": (change_config(num_hidden_layers=3), r"lacks model\.layers\.2\..* 8 more tensors"),
    "fewer layers in the config": (change_config(num_hidden_layers=1), r"stores layers .*: model\.layers\.1\."),
    "another width": (change_config(hidden_size=64), r"stores .* as \[.*32.*\], and config\.json describes \[.*64"),
    "no heads": (change_config(num_attention_heads=0), "cannot be loaded as a model .ZeroDivisionError"),
    "no width": (change_config(hidden_size="wide"), "cannot be loaded as a model"),
    "an adapter beside": (with_adapter, "lies beside full weights"),
}
NUMBERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "NaN": (change_weights(with_number(float("nan"))), r"its weight model\.norm\.weight holds NaN or infinity"),
    "infinity": (change_weights(with_number(float("inf"))), r"its weight model\.norm\.weight holds NaN or infinity"),
    "more tokens than rows": (with_added_token, r"gives '\[mol\]' the id 286, and its embedding has 286 rows"),
}


@pytest.fixture
def spoilt(good: Path, tmp_path: Path) -> Path:
    shutil.copytree(good, tmp_path / "weights")
    return tmp_path / "weights"


def described(folder: Path) -> Path:
    """A manifest for what lies in a folder."""
    manifest = folder.parent / "manifest.json"
    write_manifest(manifest, {"id": "spoilt", "kind": "initial", "method": "made", "parents": []}, folder)
    return manifest


def as_start(folder: Path) -> None:
    from molmix.align.policy import load_policy

    load_policy(described(folder), False)


def as_parent(folder: Path) -> None:
    from molmix.merge.inputs import read_inputs

    read_inputs([described(folder)])


READERS: dict[str, Callable[[Path], object]] = {
    "generation": lambda folder: load(described(folder)),
    "alignment": as_start,
    "merge": as_parent,
    "fetch": lambda folder: fetch(
        model_id="m", kind="initial", source=str(folder), revision=None, manifest=folder.parent / "m.json"
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("fault", STRUCTURE)
def test_a_folder_that_is_not_the_model_that_it_describes_is_refused_by_all(
    spoilt: Path, fault: str, reader: str
) -> None:
    READERS[reader](spoilt)
    change, message = STRUCTURE[fault]
    change(spoilt)
    with pytest.raises(MolmixError, match=message):
        READERS[reader](spoilt)


@pytest.mark.parametrize("fault", NUMBERS)
def test_weights_and_tokens_that_cannot_be_used_are_refused_when_they_are_loaded(spoilt: Path, fault: str) -> None:
    change, message = NUMBERS[fault]
    change(spoilt)
    with pytest.raises(MolmixError, match=message):
        load(described(spoilt))


def test_a_folder_without_tokenizer_files_is_refused(spoilt: Path) -> None:
    """transformers makes a tokenizer of special tokens of it, to which every word is unknown."""
    for path in [*spoilt.glob("tokenizer*"), *spoilt.glob("special_tokens*"), *spoilt.glob("vocab*")]:
        path.unlink()
    with pytest.raises(MolmixError, match=r"tokenizer"):
        load(described(spoilt))


def test_tied_weights_are_stored_once(spoilt: Path) -> None:
    STRUCTURE["no output layer"][0](spoilt)
    change_config(tie_word_embeddings=True)(spoilt)
    model, _ = load(described(spoilt))
    assert torch.equal(model.get_output_embeddings().weight, model.get_input_embeddings().weight)


def test_a_classifier_needs_its_head(tmp_path: Path) -> None:
    from molmix.judges.nli.model import NliModel

    folder = make_model(tmp_path / "nli", "bert")
    check_model(folder, classifier=True)
    change_weights(lambda state: {name: state[name] for name in state if "classifier" not in name})(folder)
    for read in (NliModel.load, lambda folder: check_model(folder, classifier=True)):
        with pytest.raises(MolmixError, match=r"lacks classifier\.bias"):
            read(folder)


@pytest.mark.parametrize("part", ["lora_A", "lora_B"])
def test_an_adapter_is_whole(spoilt: Path, part: str) -> None:
    from peft import LoraConfig, get_peft_model

    write_manifest(spoilt.parent / "start/manifest.json", {"id": "start", "kind": "initial", "parents": []}, spoilt)
    adapter = spoilt.parent / "start.sft/adapter"
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj"], init_lora_weights=False)
    get_peft_model(LlamaForCausalLM.from_pretrained(spoilt), lora).save_pretrained(adapter)
    manifest, facts = adapter.parent / "manifest.json", {"id": "start.sft", "kind": "aligned", "parents": ["start"]}
    write_manifest(manifest, facts, adapter)
    load(manifest)
    path = adapter / "adapter_model.safetensors"
    state = {
        name: weight for name, weight in load_file(path).items() if f"layers.1.self_attn.q_proj.{part}" not in name
    }
    save_file(state, path, metadata={"format": "pt"})
    write_manifest(manifest, facts, adapter)
    with pytest.raises(MolmixError, match=rf"adapter: lacks base_model.*layers\.1\.self_attn\.q_proj\.{part}"):
        load(manifest)


def test_an_adapter_has_the_rank_that_its_config_tells(spoilt: Path) -> None:
    from peft import LoraConfig, get_peft_model

    adapter = spoilt.parent / "adapter"
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj"], use_dora=True)
    get_peft_model(LlamaForCausalLM.from_pretrained(spoilt), lora).save_pretrained(adapter)
    check_adapter(adapter, spoilt)
    write_json(adapter / "adapter_config.json", read_json(adapter / "adapter_config.json") | {"r": 2})
    with pytest.raises(MolmixError, match=r"lora_A\.weight as \[4, \d+\], and adapter_config\.json describes \[2, "):
        check_adapter(adapter, spoilt)


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
    from molmix.align.policy import load_policy

    with pytest.raises(MolmixError, match=r"(?s)quantize: .*GPU.*Hint: set `quantize: false`"):
        load_policy(tmp_path / "manifest.json", True)


def test_a_local_model_is_noted_where_it_lies(good: Path, tmp_path: Path) -> None:
    fetch(model_id="m", kind="initial", source=str(good), revision=None, manifest=tmp_path / "manifest.json")
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["weights"]["path"] == str(good)
    assert manifest["parents"] == []


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("license: llama2", "llama2"),
        ("license: [mit, apache-2.0]", "mit, apache-2.0"),
        ("license: {a: b}", "unknown"),
        ("license: 5", "unknown"),
        ("license: " + "x" * 1000, "x" * 200),
        ("", "unknown"),
        ("license: [", "unknown"),
    ],
)
def test_the_licence_of_a_card(tmp_path: Path, head: str, expected: str) -> None:
    (tmp_path / "README.md").write_text(f"---\n{head}\n---\nA model.")
    assert licence(tmp_path) == expected


def test_a_card_of_many_aliases_does_not_grow(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    (tmp_path / "README.md").write_text("---\n" + "\n".join([*lines, "license: *a7"]) + "\n---\n")
    assert licence(tmp_path) == "unknown"
