"""Chat templates: the tokens of training and generation are those of the template itself, for three families of models.

The templates are written anew from the documentation of ChatML, Llama 3 and Mistral.
"""

from pathlib import Path
from typing import Any

import pytest

from molmix.align.dataset import prepare_rows
from molmix.align.methods._shared import TEXTS
from molmix.config.files import check_files
from molmix.config.loading import parse
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, write_table
from molmix.generation.engines import ENGINES
from molmix.models.chat import ChatFormat
from molmix.models.manifests import write_manifest
from molmix.models.small import make_tokenizer
from molmix.models.tokenization import tokenize_prompts
from molmix.pipeline.model_table import build

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% set day = strftime_now('%d %b %Y') %}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{% if loop.first and message['role'] == 'system' %}{{ 'Today Date: ' + day + '\n\n' }}{% endif %}"
    "{{ message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('After the optional system message, roles must alternate user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ ' [INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
# By family: template, special tokens, EOS of the tokenizer, token that ends a turn, whether it knows a system.
FAMILIES: dict[str, tuple[str, list[str], str, str, bool]] = {
    "chatml": (CHATML, ["<|im_start|>", "<|im_end|>"], "</s>", "<|im_end|>", True),
    "llama3": (LLAMA3, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "</s>", "<|eot_id|>", True),
    "mistral": (MISTRAL, ["[INST]", "[/INST]"], "</s>", "</s>", False),
}
ROW = {"split": "train", "direction": "mol2cap", "rejected": " It is a fuel."}
ROWS = [
    ROW | {"id": str(number), "prompt": f"Molecule: {smiles}\nCaption:", "chosen": f" The molecule is {name}."}
    for number, (smiles, name) in enumerate([("CCO", "a dye"), ("c1ccccc1", "a ring"), ("C[N+](C)C", "a salt")])
]


def make(family: str) -> Any:
    template, special, eos, _, _ = FAMILIES[family]
    tokenizer = make_tokenizer(
        [("CCO", "The molecule is a dye.")], {"mol2cap": "{molecule}", "cap2mol": "{caption}"}, 300
    )
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.chat_template, tokenizer.eos_token = template, eos
    return tokenizer


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


def save(tokenizer: Any, folder: Path) -> Path:
    """Manifest of a tiny random Llama with a tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder / "weights")
    tokenizer.save_pretrained(folder / "weights")
    write_manifest(folder / "manifest.json", {"id": folder.name, "kind": "initial", "parents": []}, folder / "weights")
    return folder / "manifest.json"


@pytest.mark.parametrize("dataset_type", [kind for kind, sides in TEXTS.items() if sides])
def test_training_and_generation_see_the_tokens_of_the_template(family: str, dataset_type: str, tmp_path: Path) -> None:
    tokenizer, (_, _, _, end, knows_system) = make(family), FAMILIES[family]
    system = "You describe molecules." if knows_system else None
    write_table(tmp_path / "pairs.parquet", ROWS)
    chat = ChatFormat(tokenizer, system, "model")
    rows = prepare_rows(tmp_path / "pairs.parquet", chat.tokenizer, dataset_type, 400, 1, chat)
    trained = [ids for _, texts in rows.train for ids in texts]
    stated = {"settings": {"max_new_tokens": 5, "chat": {"system": system}, "batch_tokens": 400}, "seed": 1}
    stated["settings"] |= {"temperature": 0.0, "top_p": 1.0}
    engine = ENGINES["transformers"].load(save(tokenizer, tmp_path / "start"), **stated)
    first = [{"role": "system", "content": system}] if system else []
    for row in ROWS:
        asked = [*first, {"role": "user", "content": row["prompt"]}]
        (prompt,) = tokenize_prompts(engine.tokenizer, [engine.chat.prompt(row["prompt"])], "prompts")
        assert prompt == with_date_pinned(tokenizer, asked, add_generation_prompt=True)
        answer = {"role": "assistant", "content": row["chosen"].strip()}
        whole = with_date_pinned(tokenizer, [*asked, answer])
        number = tokenizer.convert_tokens_to_ids(end)
        whole = whole[: len(whole) - whole[::-1].index(number)]  # without a line break after the end
        assert whole in trained and whole[: len(prompt)] == prompt
        assert whole.count(tokenizer.bos_token_id) == (family != "chatml")  # ChatML has no BOS
        assert number in engine.ends


def with_date_pinned(tokenizer: Any, messages: list[dict[str, str]], **options: Any) -> list[int]:
    template = tokenizer.chat_template.replace("strftime_now('%d %b %Y')", "'26 Jul 2024'")
    return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=True, **options)["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft", "dpo", "cpo", "kto"])
def test_every_method_trains_the_turn_and_its_end(family: str, method: str, tmp_path: Path) -> None:
    """The texts of TRL's data set are compared with those that were checked, by `align` itself."""
    from molmix.align.settings import resolve_settings
    from molmix.align.training import align
    from molmix.models.loading import load_tokenizer

    start = save(make(family), tmp_path / "models/start")
    write_table(tmp_path / "pairs.parquet", ROWS + [row | {"id": f"{row['id']}b"} for row in ROWS[:1]])
    trl = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 1, "max_steps": 1}
    settings = resolve_settings(method, settings=trl, lora={"r": 2}) | {"chat": {"system": None}}
    out = tmp_path / "models/aligned"
    align(
        model_id="aligned", start=start, pairs=tmp_path / "pairs.parquet", out=out, work=tmp_path / "work",
        settings=settings, seed=1, threads=1, trackers=[], curves=tmp_path / "run/tensorboard/aligned",
    )  # fmt: skip
    assert read_json(out / "manifest.json")["steps"] == 1
    stored = load_tokenizer(out / "adapter")
    assert stored.eos_token == FAMILIES[family][2] and stored.chat_template == FAMILIES[family][0]
    assert stored("CCO")["input_ids"][0] == stored.bos_token_id  # the tokenizer of the start, as it was


def test_what_cannot_be_a_conversation_is_refused() -> None:
    tokenizer = make("mistral")
    with pytest.raises(MolmixError, match=r"refuses the conversation \(After the optional"):
        ChatFormat(tokenizer, "You describe molecules.", "model")
    tokenizer.chat_template = CHATML.replace("message in messages", "message in messages[-1:]")
    with pytest.raises(MolmixError, match="does not show the text of the system"):
        ChatFormat(tokenizer, "You describe molecules.", "model")
    tokenizer.chat_template = MISTRAL.replace("eos_token", "'.'")
    with pytest.raises(MolmixError, match="no special token: no answer would end"):
        ChatFormat(tokenizer, None, "model")
    tokenizer.chat_template = CHATML.replace("assistant\n", "robot\n")
    with pytest.raises(MolmixError, match="otherwise than it prompts for it"):
        ChatFormat(tokenizer, None, "model")
    tokenizer.chat_template = "{% set f = '%d' %}{{ strftime_now(f) }}" + CHATML
    with pytest.raises(MolmixError, match="puts in a date"):
        ChatFormat(tokenizer, None, "model")
    tokenizer.chat_template = None
    with pytest.raises(
        MolmixError, match="model: its tokenizer has no chat template\n  Hint: choose an instruct model"
    ):
        ChatFormat(tokenizer, None, "model")


def test_a_local_model_without_a_template_is_refused_before_any_job(tmp_path: Path) -> None:
    tokenizer = make("chatml")
    save(tokenizer, tmp_path)
    content = {
        "data": {"tests": {"id": {"source": {"kind": "demo", "split": "id"}}}},
        "prompts": {"template": "chat"},
        "initial": {"instruct": {"kind": "pretrained", "id": str(tmp_path / "weights")}},
    }
    check_files(parse(content))
    (tmp_path / "weights/chat_template.jinja").unlink()
    with pytest.raises(MolmixError, match=r"initial.instruct.id: its tokenizer has no chat template"):
        check_files(parse(content))


def test_aligned_models_are_trained_with_the_template_of_the_study() -> None:
    content = {
        "data": {
            "train": {"kind": "demo", "split": "train"},
            "tests": {"id": {"source": {"kind": "demo", "split": "id"}}},
        },
        "prompts": {"template": "chat", "system": "You describe molecules."},
        "initial": {"instruct": {"kind": "pretrained", "id": "a/b", "revision": "main"}},
        "preferences": {"rejected": {"mol2cap": {"kind": "model", "model": "instruct"}}},
        "align": {"sft": {"method": "sft", "starts": ["instruct"]}},
    }
    assert build(parse(content))["instruct.sft"].settings["chat"] == {"system": "You describe molecules."}
    assert "chat" not in build(parse(content | {"prompts": {}}))["instruct.sft"].settings


def test_a_text_cannot_end_its_own_turn() -> None:
    chat = ChatFormat(make("chatml"), None, "model")
    with pytest.raises(MolmixError, match=r"a text holds '<\|im_end\|>', which the chat template uses"):
        chat.prompt("CCO<|im_end|>")
    with pytest.raises(MolmixError, match=r"a text holds '<\|im_end\|>'"):
        chat.answer("CCO", "It is a dye.<|im_end|>")
    assert chat.answer("CCO", "") == ""


def test_a_conversation_has_the_turns_of_user_and_assistant(family: str) -> None:
    tokenizer = make(family)
    turns = ["Molecule: CCO", "A dye.", "Molecule: CCC"]
    said = [{"role": role, "content": text} for role, text in zip(["user", "assistant", "user"], turns, strict=True)]
    chat = ChatFormat(tokenizer, None, "model")
    assert chat.prompt(*turns) == chat.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    with pytest.raises(MolmixError, match="which the chat template uses"):
        chat.prompt("Molecule: CCO", f"A dye.{FAMILIES[family][3]}", "Molecule: CCC")
