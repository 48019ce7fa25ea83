"""How large models are: from their config.json if it is on this machine, else as published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molmix.core.errors import MolmixError
from molmix.core.hub import cached_folder
from molmix.models.settings import MadeModel
from molmix.models.weights import weight_files

# Shapes of the models that the shipped configs name, by hub id: from the config.json on their pages, or on those of
# models made from them (Meditron: vocab_size 32017). MolT5: those of T5 1.1, which it goes on from.
_MEDITRON = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32017, "dtype": "bfloat16",
}  # fmt: skip
_T5 = {"model_type": "t5", "vocab_size": 32128, "d_kv": 64, "feed_forward_proj": "gated-gelu", "dtype": "float32"}
_MOLT5 = {
    "small": _T5 | {"d_model": 512, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
    "base": _T5 | {"d_model": 768, "d_ff": 2048, "num_layers": 12, "num_heads": 12},
    "large": _T5 | {"d_model": 1024, "d_ff": 2816, "num_layers": 24, "num_heads": 16},
}
PUBLISHED: dict[str, dict[str, Any]] = {
    "epfl-llm/meditron-7b": _MEDITRON,
    "language-plus-molecules/Meditron7b-smiles2caption-LPM24": _MEDITRON,
    "language-plus-molecules/Meditron7b-caption2smiles-LPM24": _MEDITRON,
    **{f"language-plus-molecules/molt5-{size}-smiles2caption-LPM24": shape for size, shape in _MOLT5.items()},
    "meta-llama/Meta-Llama-3-8B-Instruct": _MEDITRON
    | {"intermediate_size": 14336, "num_key_value_heads": 8, "vocab_size": 128256},
    "MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli": {
        "model_type": "deberta-v2", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "vocab_size": 128100, "position_buckets": 256, "dtype": "float16",
    },
}  # fmt: skip
BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Shape:
    """How large a model is.

    Attributes:
        parameters: how many numbers its weights are.
        largest: how many numbers its largest tensor is, the embedding.
        ends: inputs and outputs of all linear layers of its blocks added up: an adapter of rank r on all of them is
            r times as many numbers.
        stored: bytes of its weights on disk.
        here: whether its config.json is on this machine.
        cached: whether its weights are.
    """

    parameters: int
    largest: int
    ends: int
    stored: int
    here: bool
    cached: bool


def pretrained(name: str, revision: str | None) -> Shape | None:
    """Shape of a hub id or a local folder; None where it is not known."""
    folder = Path(name) if Path(name).is_dir() else cached_folder(name, revision)
    if folder is not None and (folder / "config.json").is_file():
        files = _weight_files(folder)
        stored = sum(path.stat().st_size for path in files)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        width = BYTES.get(_dtype(config), 4)  # for a kind of model that no formula here fits
        other = Shape(stored // width, _embedding(config), 0, stored, True, bool(files))
        return _shape(config, stored, here=True, cached=bool(files)) or other
    return _shape(PUBLISHED.get(name, {}))


def _weight_files(folder: Path) -> list[Path]:
    """Files that the weights are read from; none where they are not whole, as in a cache that holds the config only."""
    try:
        return weight_files(folder)
    except MolmixError:
        return []


def made(root: MadeModel) -> Shape:
    """Shape of a model made in the graph, from the settings of the one that it goes back to."""
    config = {
        "model_type": "llama",
        "hidden_size": root.hidden_size,
        "intermediate_size": 8 * -(-root.hidden_size // 3),
        "num_hidden_layers": root.layers,
        "num_attention_heads": root.heads,
        "vocab_size": root.vocabulary,
        "tie_word_embeddings": True,
    }
    parameters, ends = _llama(config)
    return Shape(parameters, _embedding(config), ends, 4 * parameters, True, False)


def _shape(config: dict[str, Any], stored: int = 0, *, here: bool = False, cached: bool = False) -> Shape | None:
    """By a config.json, which also tells how much is stored where no file does; None where no formula here fits."""
    sizes = of(config)
    if sizes is None:
        return None
    parameters, ends = sizes
    stored = stored or parameters * BYTES.get(_dtype(config), 4)
    return Shape(parameters, _embedding(config), ends, stored, here, cached)


def of(config: dict[str, Any]) -> tuple[int, int] | None:
    """Parameters and `ends` (see :class:`Shape`) by a config.json; None for a kind of model without a formula here."""
    count: dict[str, Callable[[dict[str, Any]], tuple[int, int]]] = {"llama": _llama, "mistral": _llama, "t5": _t5}
    count["deberta-v2"] = _deberta
    kind = config.get("model_type")
    return count[kind](config) if kind in count else None


def _embedding(config: dict[str, Any]) -> int:
    return int(config.get("vocab_size", 0) * (config.get("hidden_size") or config.get("d_model", 0)))


def _llama(config: dict[str, Any]) -> tuple[int, int]:
    d, f, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    head = config.get("head_dim") or d // config["num_attention_heads"]
    q = head * config["num_attention_heads"]
    kv = head * (config.get("num_key_value_heads") or config["num_attention_heads"])
    block = 2 * d * q + 2 * d * kv + 3 * d * f + 2 * d
    words = config["vocab_size"] * d * (1 if config.get("tie_word_embeddings") else 2)
    return words + layers * block + d, layers * (2 * (d + q) + 2 * (d + kv) + 3 * (d + f))


def _t5(config: dict[str, Any]) -> tuple[int, int]:
    d, f, inner = config["d_model"], config["d_ff"], config["d_kv"] * config["num_heads"]
    up = 2 if "gated" in config.get("feed_forward_proj", "relu") else 1
    encoder, decoder = config["num_layers"], config.get("num_decoder_layers") or config["num_layers"]
    feed = (up + 1) * d * f
    words = config["vocab_size"] * d * (1 if config.get("tie_word_embeddings", up == 1) else 2)
    distances = 2 * config.get("relative_attention_num_buckets", 32) * config["num_heads"]
    blocks = encoder * (4 * d * inner + feed + 2 * d) + decoder * (8 * d * inner + feed + 3 * d)
    return words + distances + blocks + 2 * d, (4 * encoder + 8 * decoder) * (d + inner)


def _deberta(config: dict[str, Any]) -> tuple[int, int]:
    d, f, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    block = 4 * (d * d + d) + 2 * d * f + f + d + 4 * d
    distances = 2 * config.get("position_buckets", 256) * d + 2 * d
    head = d * d + d + 3 * (d + 1)
    return config["vocab_size"] * d + 2 * d + layers * block + distances + head, layers * (8 * d + 2 * (d + f))


def _dtype(config: dict[str, Any]) -> str:
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")
