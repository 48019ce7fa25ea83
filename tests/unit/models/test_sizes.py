"""Sizes of models against real ones: from their files, as published, and of those that are made here."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from molmix.models import sizes
from molmix.models.settings import EndpointModel, HubModel, MadeModel

LLAMA = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
LLAMA |= {"num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32017}
LLAMA_3 = LLAMA | {"intermediate_size": 14336, "num_key_value_heads": 8, "vocab_size": 128256}
SMOLLM = {"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}
SMOLLM |= {"num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True}
T5 = {"model_type": "t5", "vocab_size": 32128, "d_kv": 64, "feed_forward_proj": "gated-gelu"}
T5 |= {"tie_word_embeddings": False}
DEBERTA = {"model_type": "deberta-v2", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
DEBERTA |= {"num_attention_heads": 12, "vocab_size": 128100, "position_buckets": 256, "relative_attention": True}
DEBERTA |= {"pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "type_vocab_size": 0, "num_labels": 3}
DEBERTA |= {"share_att_key": True, "norm_rel_ebd": "layer_norm", "max_relative_positions": -1}
MOLT5 = "language-plus-molecules/molt5-{}-smiles2caption-LPM24"
CONFIGS = {
    "epfl-llm/meditron-7b": LLAMA,
    "meta-llama/Meta-Llama-3-8B-Instruct": LLAMA_3,
    "HuggingFaceTB/SmolLM2-135M-Instruct": SMOLLM,
    MOLT5.format("small"): T5 | {"d_model": 512, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
    MOLT5.format("base"): T5 | {"d_model": 768, "d_ff": 2048, "num_layers": 12, "num_heads": 12},
    MOLT5.format("large"): T5 | {"d_model": 1024, "d_ff": 2816, "num_layers": 24, "num_heads": 16},
    "MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli": DEBERTA,
}


def build(settings: dict[str, Any]) -> PreTrainedModel:
    auto: dict[str, Any] = {"t5": AutoModelForSeq2SeqLM, "deberta-v2": AutoModelForSequenceClassification}
    kind = settings["model_type"]
    return auto.get(kind, AutoModelForCausalLM).from_config(AutoConfig.for_model(**{"pad_token_id": 0} | settings))


def adapter_size(model: PreTrainedModel) -> int:
    """Numbers of an adapter of rank 1 on all linear layers but the output."""
    adapted = get_peft_model(model, LoraConfig(r=1, target_modules="all-linear"))
    return sum(weight.numel() for name, weight in adapted.named_parameters() if "lora_" in name and "class" not in name)


@pytest.mark.parametrize("name", CONFIGS)
def test_published_sizes_are_those_of_the_real_model(name: str) -> None:
    with torch.device("meta"):
        model = build(CONFIGS[name])
    shape = sizes.PUBLISHED[name]
    # As T5 1.1 is published: one embedding for both sides, and an output layer of its own.
    twice = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
    twice += ["lm_head.weight"] if CONFIGS[name].get("tie_word_embeddings") else []
    counts = [weight.numel() for weight_name, weight in model.state_dict().items() if weight_name not in twice]
    assert (shape.parameters, shape.largest) == (sum(counts), max(counts))
    if CONFIGS[name]["model_type"] == "llama":
        assert shape.ends == adapter_size(model)


@pytest.mark.parametrize("name", ["epfl-llm/meditron-7b", MOLT5.format("small")])
@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_has_the_sizes_of_its_tensors(tmp_path: Path, name: str, tied: bool) -> None:
    few = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    few |= {"num_key_value_heads": 2, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 2}
    own = {key: value for key, value in few.items() if key in CONFIGS[name]}
    model = build(CONFIGS[name] | own | {"vocab_size": 50, "tie_word_embeddings": tied})
    model.save_pretrained(tmp_path, max_shard_size="10KB")
    shape = sizes.pretrained(str(tmp_path), None)
    assert shape and shape.cached
    assert (shape.parameters, shape.largest) == (model.num_parameters(), 50 * 32)
    assert shape.stored == sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    if CONFIGS[name]["model_type"] == "llama":
        assert shape.ends == adapter_size(model)


def test_a_model_that_is_made_here_has_the_sizes_of_its_settings() -> None:
    settings = MadeModel(kind="made", task="unpaired", hidden_size=100, layers=3, heads=5, vocabulary=300)
    own = {"hidden_size": 100, "intermediate_size": 272, "num_hidden_layers": 3, "num_attention_heads": 5}
    own |= {"num_key_value_heads": 5, "vocab_size": 300, "tie_word_embeddings": True}
    model = build(LLAMA | own)
    shape = sizes.made(settings)
    assert (shape.parameters, shape.largest, shape.stored) == (model.num_parameters(), 30_000, 4 * shape.parameters)
    assert shape.ends == adapter_size(model)


def test_a_model_is_large_by_its_number_of_parameters_or_if_only_the_hub_knows_it(tmp_path: Path) -> None:
    build(
        LLAMA | {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "vocab_size": 50}
    ).save_pretrained(tmp_path)
    hub = {"kind": "pretrained", "revision": "v1"}
    large = {
        "some/model": True,
        "HuggingFaceTB/SmolLM2-135M-Instruct": True,
        MOLT5.format("small"): False,
        str(tmp_path): False,
    }
    assert {name: sizes.initial_is_large(HubModel(id=name, **hub)) for name in large} == large
    made = {"kind": "made", "task": "unpaired"}
    assert not sizes.initial_is_large(MadeModel(**made))
    assert sizes.initial_is_large(MadeModel(**made, hidden_size=1024, layers=12, vocabulary=32_000))
    assert not sizes.initial_is_large(EndpointModel(kind="endpoint", base_url="http://localhost:1/v1", model="gpt"))


def test_a_model_that_is_neither_here_nor_in_the_table_is_not_known() -> None:
    assert sizes.pretrained("some/model", "v1") is None
