"""Generation against a plain loop over one prompt at a time, and its promises: order, resuming, determinism."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

import molmix.generation.transformers_engine
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_json, write_table
from molmix.data.corpus import TEST
from molmix.generation.generate import generate
from molmix.metrics.aggregate import read_scores
from molmix.metrics.score import write_scores
from molmix.models.loading import load
from molmix.models.manifests import write_manifest
from molmix.models.precision import DTYPE
from molmix.models.small import make_tokenizer

torch.set_num_threads(1)

MOLECULES = ["CCO", "c1ccccc1O", "CC(=O)[O-]", "C[N+](C)(C)C", "O=S(=O)(N)c1ccccc1", "CCCCCCCCCC", "N#CC", "OC1CCCCC1"]
PROMPTS = [f"Molecule: {first}.{second}\nCaption:" for first in MOLECULES for second in MOLECULES[:2]]
TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}
SETTINGS = {"max_new_tokens": 35, "batch_tokens": 260, "temperature": 0.0, "top_p": 1.0}
CONTEXT = 96
SIZES = {"vocab_size": 300, "bos_token_id": 1, "pad_token_id": 0, "eos_token_id": 2}
ENDS = [token for token in range(300) if token % 12 == 2]  # so many that random weights end a text now and then


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Manifests of tiny random models: two decoders, an encoder-decoder, and an adapter on the first."""
    torch.manual_seed(0)
    llama = LlamaConfig(
        **SIZES, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=CONTEXT,
    )  # fmt: skip
    gpt2 = GPT2Config(**SIZES, n_embd=32, n_layer=2, n_head=2, n_positions=CONTEXT)
    t5 = T5Config(
        **SIZES, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_decoder_layers=1, num_heads=2, decoder_start_token_id=0
    )
    tokenizer = make_tokenizer([(text, "The molecule is small.") for text in MOLECULES], TEMPLATES, 300)
    folder, made = tmp_path_factory.mktemp("models"), {}

    def save(name, model, kind="initial", parents=()):
        weights = folder / name / ("adapter" if kind == "aligned" else "weights")
        model.save_pretrained(weights)
        tokenizer.save_pretrained(weights)
        made[name] = weights.parent / "manifest.json"
        write_manifest(made[name], {"id": name, "kind": kind, "parents": list(parents)}, weights)

    for name, model in (
        ("llama", LlamaForCausalLM(llama)),
        ("gpt2", GPT2LMHeadModel(gpt2)),
        ("t5", T5ForConditionalGeneration(t5)),
    ):
        for where, weight in model.named_parameters():  # larger weights say less monotonous things
            if weight.dim() > 1 and (name != "t5" or where.startswith("decoder.block")):
                weight.data *= 3 if name == "t5" else 8
        model.generation_config.eos_token_id = ENDS
        model.generation_config.repetition_penalty = 1.5  # what a published model may bring along: not heeded
        save(name, model)
    adapted = get_peft_model(load(made["llama"])[0], LoraConfig(r=4, target_modules="all-linear", lora_alpha=4))
    for where, weight in adapted.named_parameters():
        if "lora_B" in where:
            torch.nn.init.normal_(weight.data)
    save("llama.dpo", adapted, "aligned", ["llama"])
    return made


@torch.inference_mode()
def plainly(manifest: Path, prompts: list[str]) -> list[dict]:
    """Greedy answers token by token, one prompt at a time, without cache, padding or batch."""
    model, tokenizer = load(manifest if "dpo" not in str(manifest) else manifest.parents[1] / "llama/manifest.json")
    if "dpo" in str(manifest):  # with its adapter beside the weights
        model = PeftModel.from_pretrained(model, manifest.parent / "adapter").eval()
    paired, answers = model.config.is_encoder_decoder, []
    for prompt in prompts:
        ids, tokens = tokenizer(prompt)["input_ids"], []
        while len(tokens) < SETTINGS["max_new_tokens"] and (paired or len(ids) + len(tokens) < CONTEXT):
            if paired:
                out = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[0, *tokens]]))
            else:
                out = model(input_ids=torch.tensor([ids + tokens]))
            tokens.append(out.logits[0, -1].argmax().item())
            if tokens[-1] in ENDS:
                break
        text = tokenizer.decode(tokens, skip_special_tokens=True).removeprefix(" ")
        finish = "stop" if tokens[-1] in ENDS else "length"
        answers.append({"text": text, "tokens": len(tokens), "finish": finish})
    return answers


def ask(manifest: Path, folder: Path, prompts: list[str], *, seed: int = 7, cache: str = "cache", **more) -> list[dict]:
    """Answers of one model to one test set."""
    ids = [f"row {number}" for number in range(len(prompts))]
    generate(
        manifest=manifest,
        prompts={"test": (ids, prompts)},
        outs={"test": folder / "test.parquet"},
        settings=SETTINGS | more,
        seed=seed,
        cache=folder / cache,
    )
    rows = read_table(folder / "test.parquet").to_pylist()
    assert [row.pop("id") for row in rows] == ids
    return rows


@pytest.fixture
def asked(monkeypatch) -> list[list[str]]:
    """The batches that models are asked while a test runs."""
    batches, answers = [], molmix.generation.transformers_engine.TransformersEngine.answers
    monkeypatch.setattr(
        molmix.generation.transformers_engine.TransformersEngine,
        "answers",
        lambda self, batch: batches.append(batch) or answers(self, batch),
    )
    return batches


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "llama.dpo"])
def test_answers_like_a_plain_loop(models, tmp_path, monkeypatch, name):
    monkeypatch.setattr(molmix.generation.transformers_engine, "STRIDE", 4)
    monkeypatch.setattr(molmix.generation.transformers_engine, "ROOM", 6)
    answers = ask(models[name], tmp_path, PROMPTS)
    assert answers == plainly(models[name], PROMPTS)
    assert len({answer["tokens"] for answer in answers}) > 2, "a weak test: rows should end at many lengths"


def test_an_adapter_is_heeded(models, tmp_path):
    assert ask(models["llama"], tmp_path, PROMPTS) != ask(models["llama.dpo"], tmp_path, PROMPTS)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_tables_say_in_which_type_a_model_ran(models, tmp_path, dtype):
    ask(models["llama.dpo"], tmp_path, PROMPTS, dtype=dtype)
    write_table(
        tmp_path / "tests.parquet",
        [
            {name: None for name in TEST.names}
            | {"id": f"row {number}", "molecule": "CCO", "references": ["It is small."]}
            for number in range(len(PROMPTS))
        ],
        TEST,
    )
    write_scores(
        test=tmp_path / "tests.parquet",
        direction="mol2cap",
        predictions=tmp_path / "test.parquet",
        judged={},
        text2mol=None,
        out=tmp_path / "scores.parquet",
        options={"judges": {}, "domain": "text", "vocabulary": None, "wordnet": None},
    )
    for table in ("test", "scores"):
        assert read_table(tmp_path / f"{table}.parquet").schema.metadata[DTYPE.encode()].decode() == dtype
    assert read_scores(tmp_path / "scores.parquet").attrs["dtype"] == dtype


def test_batches_are_within_the_budget_and_the_last_two_are_of_one_size(models, tmp_path, asked):
    short = [f"Molecule: {'C' * number}\nCaption:" for number in range(1, 30)]
    prompts = [*short, f"Molecule: {'.'.join(MOLECULES * 2)}\nCaption:"]
    encode = load(models["llama"])[1]
    widths = {prompt: len(encode(prompt)["input_ids"]) + 4 for prompt in prompts}
    budget = 2 * max(widths.values())
    for number, sizes in ((30, [2, 13, 15]), (20, [2, 9, 9]), (10, [2, 8])):
        asked.clear()
        ask(models["llama"], tmp_path, prompts[-number:], max_new_tokens=4, batch_tokens=budget)
        batches = [prompt for batch in asked for prompt in batch]
        assert batches == sorted(prompts[-number:], key=lambda prompt: (-widths[prompt], prompt))
        assert all(len(batch) * max(widths[prompt] for prompt in batch) <= budget for batch in asked)
        assert [len(batch) for batch in asked] == sizes


def test_order_and_repetition_of_rows_change_nothing(models, tmp_path, asked):
    forth = ask(models["llama"], tmp_path, PROMPTS, cache="first")
    calls = len(asked)
    back = ask(models["llama"], tmp_path, [*PROMPTS[::-1], *PROMPTS], cache="second")
    assert back == [*forth[::-1], *forth]
    assert len(asked) == 2 * calls, "a prompt that is asked twice is answered once"


def test_another_test_set_changes_and_costs_nothing(models, tmp_path, asked):
    alone = ask(models["llama"], tmp_path, PROMPTS)
    asked.clear()
    generate(
        manifest=models["llama"],
        prompts={"new": (["a"], ["Molecule: CCN\nCaption:"]), "old": (PROMPTS, PROMPTS), "none": ([], [])},
        outs={name: tmp_path / f"{name}.parquet" for name in ("new", "old", "none")},
        settings=SETTINGS,
        seed=7,
        cache=tmp_path / "cache",
    )
    assert asked == [["Molecule: CCN\nCaption:"]]
    old = read_table(tmp_path / "old.parquet").to_pylist()
    assert [{key: row[key] for key in alone[0]} for row in old] == alone
    assert read_table(tmp_path / "none.parquet").schema == read_table(tmp_path / "old.parquet").schema


@pytest.mark.parametrize("torn", [0, 20])
def test_a_killed_job_goes_on_where_it_was(models, tmp_path, asked, torn):
    whole = ask(models["llama"], tmp_path, PROMPTS)
    batches = asked.copy()
    assert len(batches) > 2
    (finished,) = (tmp_path / "cache").iterdir()
    lines = finished.read_text().splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if batches[1][0] in line.encode().decode("unicode_escape"))
    finished.write_text("".join(lines[:start]) + lines[start][:torn])
    asked.clear()
    assert ask(models["llama"], tmp_path, PROMPTS) == whole
    assert asked == batches[1:]
    asked.clear()
    assert ask(models["llama"], tmp_path, PROMPTS) == whole
    assert not asked


def test_a_garbled_line_is_asked_again(models, tmp_path, asked):
    whole = ask(models["llama"], tmp_path, PROMPTS)
    (finished,) = (tmp_path / "cache").iterdir()
    lines = finished.read_text().splitlines()
    prompt, answer, check = json.loads(lines[1])
    lines[1] = json.dumps([prompt, answer | {"text": "something else"}, check])
    lines[3] = "17"
    finished.write_text("\n".join(lines))
    asked.clear()
    assert ask(models["llama"], tmp_path, PROMPTS) == whole
    assert len(asked) == 1 and prompt in asked[0]


def test_with_nothing_left_to_generate_neither_torch_nor_weights_are_touched(models, tmp_path):
    whole = ask(models["llama.dpo"], tmp_path, PROMPTS)
    manifests = tmp_path / "models"
    for name in ("llama", "llama.dpo"):
        write_json(manifests / name / "manifest.json", read_json(models[name]))
    code = f"""
import sys
from pathlib import Path
from molmix.generation.generate import generate
folder, manifest = Path({str(tmp_path)!r}), Path({str(manifests / "llama.dpo" / "manifest.json")!r})
prompts = {PROMPTS!r}
generate(manifest=manifest, prompts={{"test": (prompts, prompts)}}, outs={{"test": folder / "again.parquet"}},
         settings={SETTINGS!r}, seed=7, cache=folder / "cache")
assert not {{"torch", "transformers", "peft"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read_table(tmp_path / "again.parquet").drop_columns("id").to_pylist() == whole


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_prompts_without_room_for_an_answer_are_told_apart(models, tmp_path, name):
    tokenizer = load(models[name])[1]
    longest = "Molecule: " + "7" * 200  # a token each
    while len(tokenizer(longest)["input_ids"]) > CONTEXT - 1:
        longest = longest[:-1]
    room = CONTEXT - len(tokenizer(longest)["input_ids"])
    asked = [longest + "7" * 40, longest, *PROMPTS]
    answers = ask(models[name], tmp_path, asked, batch_tokens=4000)
    assert answers[0] == {"text": "", "tokens": 0, "finish": "prompt_too_long"}
    assert 1 <= answers[1]["tokens"] <= room
    assert answers[2:] == ask(models[name], tmp_path, PROMPTS)
    assert ask(models[name], tmp_path, asked[:1])[0]["finish"] == "prompt_too_long"


def test_sampling_is_the_same_in_every_run_and_goes_by_the_seed(models, tmp_path):
    def sample(cache, seed, **more):
        return ask(models["llama"], tmp_path, PROMPTS, cache=cache, seed=seed, temperature=1.5, **more)

    first = sample("first", 7)
    assert first == sample("second", 7) != sample("first", 8)
    assert first != ask(models["llama"], tmp_path, PROMPTS)
    # Of a nucleus that holds the likeliest token alone, sampling is greedy.
    assert sample("first", 7, top_p=1e-6) == ask(models["llama"], tmp_path, PROMPTS)


# ---- what an answer depends on --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("device_name", "NVIDIA A100"), ("package_versions", {"torch": "0.1"}), ("code_digest", "another")],
)
def test_other_code_libraries_or_hardware_answer_again(models, tmp_path, asked, monkeypatch, name, value):
    """Finished answers are not given back after what computed them has changed."""
    ask(models["llama"], tmp_path, PROMPTS[:2])
    calls = len(asked)
    ask(models["llama"], tmp_path, PROMPTS[:2])
    assert len(asked) == calls
    monkeypatch.setattr(f"molmix.core.fingerprint.{name}", lambda *arguments: value)
    ask(models["llama"], tmp_path, PROMPTS[:2])
    assert len(asked) == 2 * calls


def copied(models: dict[str, Path], name: str, folder: Path) -> tuple[Path, Path]:
    """A copy of a model, to be changed: its weights, and its manifest, which is to be written."""
    shutil.copytree(models[name].parent / "weights", folder / "copy/weights")
    return folder / "copy/weights", folder / "copy/manifest.json"


def test_generation_stops_at_the_tokenizers_eos_where_the_model_names_another(models, tmp_path):
    """As chat-tuned tokenizers come with the weights of a base model."""
    first = next(answer for answer in ask(models["llama"], tmp_path, PROMPTS) if answer["finish"] == "stop")
    weights, manifest = copied(models, "llama", tmp_path)
    model = LlamaForCausalLM.from_pretrained(weights)
    model.generation_config.eos_token_id = 5
    model.save_pretrained(weights)
    tokenizer = make_tokenizer([(text, "The molecule is small.") for text in MOLECULES], TEMPLATES, 300)
    write_manifest(manifest, {"id": "copy", "kind": "initial", "parents": []}, weights)
    before = ask(manifest, tmp_path, PROMPTS)
    # The tokenizer's EOS becomes a token that the model generates.
    written = load(models["llama"])[1](first["text"], add_special_tokens=False)["input_ids"]
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(written[len(written) // 2])
    tokenizer.save_pretrained(weights)
    write_manifest(manifest, {"id": "copy", "kind": "initial", "parents": []}, weights)
    after = ask(manifest, tmp_path, PROMPTS)
    assert sum(answer["finish"] == "stop" for answer in after) > sum(answer["finish"] == "stop" for answer in before)


def test_an_encoder_decoder_without_a_start_token_is_refused(models, tmp_path):
    weights, manifest = copied(models, "t5", tmp_path)
    for name in ("config.json", "generation_config.json"):
        content = json.loads((weights / name).read_text())
        (weights / name).write_text(json.dumps(content | {"decoder_start_token_id": None}))
    write_manifest(manifest, {"id": "copy", "kind": "initial", "parents": []}, weights)
    with pytest.raises(MolmixError, match="an encoder-decoder model without a `decoder_start_token_id`"):
        ask(manifest, tmp_path, PROMPTS)
