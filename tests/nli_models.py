"""Tiny NLI models of random weights as hub models lie on disk, each with a tokenizer of its own kind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

TEXTS = [
    "The molecule is a dye.",
    "The molecule contains two rings and a [SEP] or a </s>.",
    "",
    "It is " + "very, very " * 40 + "long.",
    "染料 é \x07",
    "It is long.",
    "The molecule has a role as a fungal metabolite.",
]
PAIRS = [(premise, hypothesis) for premise in TEXTS for hypothesis in TEXTS]
THREE = ("ENTAILMENT", "neutral", "Contradiction")
POSITIONS = 66  # of every model; RoBERTa spends two of them

# What the shapes do not share. DeBERTa-v3: distances in logarithmic buckets, no positions, no token types.
SHAPES: dict[str, dict[str, Any]] = {
    "bert": {"type_vocab_size": 2, "pad_token_id": 0},
    "roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "deberta-v2": {
        "type_vocab_size": 0,
        "pad_token_id": 0,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "position_buckets": 24,
        "max_relative_positions": -1,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
    },
}


def make_model(folder: Path, shape: str, labels: tuple[str, ...] = THREE) -> Path:
    """Save a classifier of that shape; every two pairs of :data:`PAIRS` differ clearly in its answers."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer = TOKENIZERS[shape]()
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        shape,
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        **SHAPES[shape],
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


# The vocabularies of wordpieces and unigrams are counted here. The trainers of `tokenizers` order equal counts by
# chance, and with random weights, other token ids give other answers.


def _bert() -> Any:
    """Lower-case wordpieces: words and single characters."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    bare = BertWordPieceTokenizer()
    words = sorted(_words(bare, map(bare.normalizer.normalize_str, TEXTS)))
    characters = sorted(set("".join(words)))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{one}" for one in characters), *words]
    return BertTokenizer({piece: number for number, piece in enumerate(dict.fromkeys(pieces))})


def _roberta() -> Any:
    """Byte-level BPE."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    bare = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bare.train_from_iterator(TEXTS, vocab_size=300, special_tokens=special, show_progress=False)
    model = json.loads(bare.to_str())["model"]
    return RobertaTokenizer(model["vocab"], [tuple(merge) for merge in model["merges"]])


def _deberta() -> Any:
    """Unigram pieces, as SentencePiece makes them."""
    from transformers import DebertaV2Tokenizer

    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    return DebertaV2Tokenizer(unigrams(TEXTS, special), unk_id=special.index("[UNK]"))


def unigrams(texts: Iterable[str], special: list[str]) -> list[tuple[str, float]]:
    """Special tokens, words and single characters of some texts, each with its log-probability."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    bare = Tokenizer(models.Unigram())
    bare.pre_tokenizer = pre_tokenizers.Metaspace()
    words = _words(bare, texts)
    scores = dict.fromkeys(special, 0.0)
    scores |= dict.fromkeys(sorted(set("".join(words))), -log(words.total()) - 1)
    scores |= {word: log(count / words.total()) for word, count in sorted(words.items())}
    return list(scores.items())


def _words(bare: Any, texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word, _ in bare.pre_tokenizer.pre_tokenize_str(text))


TOKENIZERS = {"bert": _bert, "roberta": _roberta, "deberta-v2": _deberta}


def rows_computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the number of rows of every forward pass of a classifier of transformers."""
    import transformers

    rows: list[int] = []
    for name in ("Bert", "Roberta", "DebertaV2"):
        model = getattr(transformers, f"{name}ForSequenceClassification")
        forward = model.forward

        def counted(self: Any, input_ids: Any, *given: Any, forward: Any = forward, **named: Any) -> Any:
            rows.append(len(input_ids))
            return forward(self, input_ids, *given, **named)

        monkeypatch.setattr(model, "forward", counted)
    return rows
