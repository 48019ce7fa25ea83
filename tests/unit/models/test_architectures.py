"""Model folders as they are published: tiny random ones of each architecture are aligned, merged, and answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_table
from molmix.generation.generate import generate
from molmix.models.loading import load
from molmix.models.pretrained import fetch
from molmix.models.small import make_tokenizer

CAPTIONS = ["The molecule is a dye.", "The molecule is an acid that smells.", "The molecule is a salt of an amine."]
TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1}
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "max_position_embeddings": 128}
LLAMA = SHAPE | HEADS
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
T5 |= {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
# By name: class in transformers, changes of its config, type of the weights, tokenizer, and how they are stored.
MODELS: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "llama": ("Llama", LLAMA, "float32", "byte-level", "one file"),
    "llama-shards": ("Llama", LLAMA | {"tie_word_embeddings": True}, "bfloat16", "sentencepiece", "shards"),
    "mistral": ("Mistral", LLAMA | {"sliding_window": 16}, "float16", "sentencepiece", "one file"),
    "qwen2": ("Qwen2", LLAMA | {"tie_word_embeddings": True}, "bfloat16", "byte-level", "one file"),
    "qwen3": ("Qwen3", LLAMA | {"head_dim": 24}, "float32", "byte-level", "shards"),
    "gemma": ("Gemma", LLAMA | {"head_dim": 16}, "bfloat16", "sentencepiece", "spurious lm_head"),
    "gpt2": ("GPT2", GPT2, "float32", "byte-level", "one file"),
    "gpt-neox": ("GPTNeoX", SHAPE | {"num_attention_heads": 2}, "float16", "byte-level", "one file"),
    "t5": ("T5", T5, "float32", "sentencepiece", "one file"),
}
NOT_MERGED = {"gpt-neox": "Tensor gpt_neox.layers.0.attention.bias required"}  # a tensor of models saved years ago


def sentencepiece() -> Any:
    """A tokenizer like those of Llama 2, Mistral and Gemma: BPE of pieces with a mark for blanks, and of bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<pad>", "<s>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False)
    made.train_from_iterator([*CAPTIONS, "Molecule: CCO Caption:"], trainer)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def publish(name: str, folder: Path, seed: int = 0) -> Path:
    """A model as its makers publish it."""
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    kind, changes, dtype, words, stored = MODELS[name]
    tokenizer = sentencepiece() if words == "sentencepiece" else make_tokenizer([("CCO", CAPTIONS[1])], TEMPLATES, 300)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), **ids, **changes)
    torch.manual_seed(seed)
    head = {"T5": "ForConditionalGeneration", "GPT2": "LMHeadModel"}.get(kind, "ForCausalLM")
    model = getattr(transformers, f"{kind}{head}")(config).to(getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size="20KB" if stored == "shards" else "1GB")
    tokenizer.save_pretrained(folder)
    if stored == "spurious lm_head":  # the output layer is the embedding, and both are stored
        file = folder / "model.safetensors"
        weights = load_file(file)
        save_file(weights | {"lm_head.weight": weights["model.embed_tokens.weight"].clone()}, file, {"format": "pt"})
    return folder


def answers(manifest: Path, folder: Path) -> list[str]:
    settings = {"max_new_tokens": 6, "batch_tokens": 512, "temperature": 0.0, "top_p": 1.0}
    smiles = ["CCO", "c1ccccc1", "CC(=O)O"]
    out = folder / manifest.parent.name / "test.parquet"
    asked = {"test": (smiles, [TEMPLATES["mol2cap"].replace("{molecule}", one) for one in smiles])}
    generate(manifest=manifest, prompts=asked, outs={"test": out}, settings=settings, seed=1, cache=folder / "cache")
    rows = read_table(out).to_pylist()
    assert [row["id"] for row in rows] == smiles and all(0 < row["tokens"] <= 6 for row in rows)
    return [row["text"] for row in rows]


def started(name: str, folder: Path, *seeds: int) -> list[Path]:
    """Manifests of published models of one architecture, which differ in their random weights."""
    manifests = [folder / "models" / f"{name}-{seed}" / "manifest.json" for seed in seeds]
    for seed, manifest in zip(seeds, manifests, strict=True):
        source = str(publish(name, folder / f"published-{seed}", seed))
        fetch(model_id=manifest.parent.name, kind="initial", source=source, revision=None, manifest=manifest)
    return manifests


def aligned(start: Path, method: str) -> Path:
    """Manifest of a start aligned in two steps."""
    from molmix.align.settings import resolve_settings
    from molmix.align.training import align

    folder = start.parent.parent.parent
    rows = [
        {"split": "train", "id": str(number), "direction": "mol2cap", "prompt": f"Molecule: {'C' * number}O\nCaption:",
         "chosen": f" {CAPTIONS[number % 3]}", "rejected": f" {CAPTIONS[(number + 1) % 3]}"}
        for number in range(1, 5)
    ]  # fmt: skip
    write_table(folder / "pairs.parquet", rows)
    name = f"{start.parent.name}.{method}"
    trl = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 1, "max_steps": 2, "learning_rate": 1e-2}
    align(
        model_id=name, start=start, pairs=folder / "pairs.parquet", out=start.parent.parent / name,
        work=folder / "work", settings=resolve_settings(method, settings=trl, lora={"r": 2}), seed=1, threads=1,
        trackers=[], curves=folder / "run/tensorboard" / name,
    )  # fmt: skip
    return start.parent.parent / name / "manifest.json"


def merged(start: Path, parents: list[Path]) -> Path:
    """Manifest of the mean of two models."""
    from molmix.merge.merging import merge

    out = start.parent.parent / "merged"
    settings = {"method": "linear", "weights": [0.5, 0.5]}
    links = start.parent.parent.parent / "links"
    merge(model_id="merged", parents=parents, base=start, out=out, work=links, settings=settings, seed=1)
    return out / "manifest.json"


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_published_model_is_aligned_merged_and_answers(name: str, tmp_path: Path) -> None:
    import torch

    if name == "t5":
        start, *parents = started(name, tmp_path, 0, 1, 2)
        with pytest.raises(MolmixError, match="is an encoder-decoder model"):
            aligned(start, "sft")
    else:
        (start,) = started(name, tmp_path, 0)
        parents = [aligned(start, method) for method in ("sft", "dpo")]
    for model in (start, parents[0]):
        assert len(answers(model, tmp_path)) == 3
    if name in NOT_MERGED:
        with pytest.raises(MolmixError, match=f"mergekit cannot merge these models.*{NOT_MERGED[name]}"):
            merged(start, parents)
        return
    mean = merged(start, parents)
    assert len(answers(mean, tmp_path)) == 3
    first, second, both = (dict(load(model, torch.float32)[0].named_parameters()) for model in (*parents, mean))
    assert any(not torch.equal(first[key], second[key]) for key in first)
    for key, weight in both.items():
        torch.testing.assert_close(weight, (first[key] + second[key]) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: describe(f, quantization_config={"quant_method": "gptq", "bits": 4}), r"quantised weights \(gptq\)"),
        (lambda f: describe(f, quantization_config={"load_in_4bit": True}), "quantised weights"),
        (lambda f: (f / "model.safetensors").rename(f / "model-Q4_K_M.gguf"), "holds weights as GGUF, for llama.cpp"),
    ],
)
def test_quantised_folders_are_refused_with_what_to_do(spoil: Any, message: str, tmp_path: Path) -> None:
    folder = publish("llama", tmp_path / "published")
    spoil(folder)
    with pytest.raises(MolmixError, match=message) as error:
        fetch(model_id="m", kind="initial", source=str(folder), revision=None, manifest=tmp_path / "m/manifest.json")
    assert "Hint: name the " in str(error.value)


def describe(folder: Path, **changes: Any) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(read_json(config) | changes))
