"""Generation against a plain loop over one prompt at a time, and its promises: order, resuming, determinism."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, T5Config
from transformers import T5ForConditionalGeneration, set_seed

import molmix.writer
from molmix.files import read_table
from molmix.generate import generate
from molmix.initial import make_tokenizer
from molmix.models import load, write_manifest

torch.set_num_threads(1)

MOLECULES = ["CCO", "c1ccccc1O", "CC(=O)[O-]", "C[N+](C)(C)C", "O=S(=O)(N)c1ccccc1", "CCCCCCCCCC", "N#CC", "C1CCCCC1C(=O)O"]
PROMPTS = [f"Molecule: {first}.{second}\nCaption:" for first in MOLECULES for second in MOLECULES[:2]]
TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}
SETTINGS = {"max_new_tokens": 35, "batch_tokens": 1000, "temperature": 0.0, "top_p": 1.0}
ENDS = list(range(2, 50))  # many tokens that end a text, so that random weights end it now and then
CONTEXT = 96
SIZES = {"vocab_size": 300, "bos_token_id": 1, "pad_token_id": 0, "eos_token_id": 2}


def save(folder: Path, model, tokenizer, kind: str = "initial", parents: tuple[str, ...] = ()) -> Path:
    weights = folder / ("adapter" if kind == "aligned" else "weights")
    model.save_pretrained(weights)
    tokenizer.save_pretrained(weights)
    facts = {"id": folder.name, "kind": kind, "parents": list(parents)}
    write_manifest(folder / "manifest.json", facts, weights)
    return folder / "manifest.json"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Manifests of tiny random models: two decoders, an encoder-decoder, and an adapter on the first."""
    set_seed(3)
    tokenizer = make_tokenizer([(text, "The molecule is small.") for text in MOLECULES], TEMPLATES, 300)
    llama = LlamaForCausalLM(
        LlamaConfig(**SIZES, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                    num_key_value_heads=1, max_position_embeddings=CONTEXT)
    )
    gpt2 = GPT2LMHeadModel(GPT2Config(**SIZES, n_embd=32, n_layer=2, n_head=2, n_positions=CONTEXT))
    t5 = T5ForConditionalGeneration(
        T5Config(**SIZES, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_decoder_layers=1, num_heads=2,
                 decoder_start_token_id=0, tie_word_embeddings=False)
    )
    folder, made = tmp_path_factory.mktemp("models"), {}
    for name, model in (("llama", llama), ("gpt2", gpt2), ("t5", t5)):
        for weight in model.parameters():
            weight.data *= (3 if name == "t5" else 8) if weight.dim() > 1 else 1
        model.generation_config.eos_token_id = ENDS
        # What a published model may bring along, and must not change anything here.
        model.generation_config.repetition_penalty = 1.5
        made[name] = save(folder / name, model, tokenizer)
    adapted = get_peft_model(load(made["llama"])[0], LoraConfig(r=4, target_modules="all-linear", lora_alpha=64))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight.data)
    made["adapter"] = save(folder / "llama.dpo", adapted, tokenizer, "aligned", ("llama",))
    return made


@torch.inference_mode()
def plainly(manifest: Path, prompts: list[str]) -> list[dict]:
    """Answers token by token, one prompt at a time, without cache, padding or batch."""
    model, tokenizer = load(manifest)
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


def ask(manifest: Path, folder: Path, prompts: list[str] = PROMPTS, *, seed: int = 7, **settings) -> list[dict]:
    """Answers of one model to one test set, whose row ids are the prompts' places."""
    generate(
        manifest=manifest,
        prompts={"test": ([f"row {place}" for place in range(len(prompts))], prompts)},
        outs={"test": folder / "test.parquet"},
        settings=SETTINGS | settings,
        seed=seed,
        cache=folder / "cache",
    )
    rows = read_table(folder / "test.parquet").to_pylist()
    assert [row.pop("id") for row in rows] == [f"row {place}" for place in range(len(prompts))]
    return rows


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "adapter"])
def test_answers_like_a_plain_loop(models, tmp_path, monkeypatch, name):
    monkeypatch.setattr(molmix.writer, "STRIDE", 4)
    monkeypatch.setattr(molmix.writer, "ROOM", 6)
    answers = ask(models[name], tmp_path)
    assert answers == plainly(models[name], PROMPTS)
    print(sorted(a["tokens"] for a in answers))
    assert len({answer["tokens"] for answer in answers}) > 3, "a weak test: the rows should end at many lengths"
