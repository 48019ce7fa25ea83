"""Tiny models and data sets in the shapes of those that config/paper.yaml takes from the hub, as repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from molmix.config.schema import Config
from tests.nli_models import make_model, unigrams

CHAT = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|> {{ message['content'] }} "
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_repositories(study: Config, folder: Path) -> dict[str, Path]:
    """Every repository that the study takes from the hub, by its id: made so that its own config fits."""
    from molmix.data.synthetic.corpus import corpus

    world = corpus(80, 1)
    pairs = list(zip(world["molecule"], world["caption"], strict=True))
    made = {}
    for key, model in study.pretrained().items():
        path = folder / model.id
        kind = "t5" if "molt5" in model.id else "deberta" if key.startswith("nli.") else "llama"
        if kind == "deberta":
            make_model(path, "deberta-v2")
        else:
            tokenizer = _tokenizer(kind, pairs, study.prompts.model_dump())
            if key.startswith("decomposers."):
                tokenizer.chat_template = CHAT
            # One seed a model: the three Meditrons differ in their weights and in nothing else.
            _save(kind, tokenizer, seed=len(made), path=path)
        (path / "README.md").write_text("---\nlicense: llama2\n---\n")
        made[model.id] = path
    return made | _data(study, pairs, folder)


def _data(study: Config, pairs: list[tuple[str, str]], folder: Path) -> dict[str, Path]:
    """L+M-24 as Parquet, one caption and several; ChEBI-20 as CSV."""
    assert study.data.train is not None and study.data.train.kind == "hub"
    several, chebi = (study.data.tests[name].source for name in ("lpm24", "chebi20"))
    assert several.kind == chebi.kind == "hub"
    train, held, far = pairs[:50], pairs[50:65], pairs[65:]
    paths = {source.id: folder / source.id for source in (study.data.train, several, chebi)}
    _parquet(paths[study.data.train.id] / f"data/{study.data.train.split}-00000-of-00001.parquet", train)
    twice = [(molecule, text) for molecule, caption in held for text in (caption, f"{caption} It is a molecule.")]
    _parquet(paths[several.id] / f"data/{several.split}-00000-of-00001.parquet", twice)
    paths[chebi.id].mkdir(parents=True)
    names = chebi.columns.mapping()
    rows = {"id": [str(number) for number in range(len(far))], "molecule": [m for m, _ in far]}
    rows |= {"caption": [caption for _, caption in far]}
    pyarrow.csv.write_csv(
        pa.table({column: rows[field] for field, column in names.items()}), paths[chebi.id] / f"{chebi.split}.csv"
    )
    return paths


def _parquet(path: Path, pairs: list[tuple[str, str]]) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"molecule": [m for m, _ in pairs], "caption": [c for _, c in pairs]}), path)


def _tokenizer(kind: str, pairs: list[tuple[str, str]], templates: dict[str, str]) -> Any:
    from molmix.models.small import make_tokenizer

    if kind == "llama":
        tokenizer = make_tokenizer(pairs, templates, 600)
        tokenizer.model_max_length = 2048
        return tokenizer
    from transformers import T5Tokenizer

    pieces = unigrams((text for pair in pairs for text in pair), ["<pad>", "</s>", "<unk>"])
    return T5Tokenizer(pieces, extra_ids=0)


def _save(kind: str, tokenizer: Any, seed: int, path: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

    torch.manual_seed(seed)
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    model: Any
    if kind == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=4,
                max_position_embeddings=2048,
                bos_token_id=tokenizer.bos_token_id,
                **ids,
            )
        )
    else:
        model = T5ForConditionalGeneration(
            T5Config(
                vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2,
                decoder_start_token_id=0, tie_word_embeddings=False, feed_forward_proj="gated-gelu", **ids,
            )
        )  # fmt: skip
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
