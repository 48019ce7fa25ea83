"""The embedded world's judge: a small BERT cross-encoder, trained from random weights on the world's NLI pairs.

To label such a pair, the model must mostly find, for each word of one text, the same word in the other text and compare
their neighbours. A transformer learns this only after a long plateau. Two methods shorten the plateau, so that a
minute of one CPU core is enough:

* **Mimetic initialisation** (Trockman & Kolter, ICML 2023, arXiv 2305.09828): each head's query and key projections
  start as the same random projection, so that a token attends to equal tokens from the first step. Word embeddings
  start large and distinct, and sinusoidal positions are small.
* **Muon** (:class:`Muon`) for the matrices of the layers, and AdamW for the rest.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast  # type: ignore[attr-defined]

from molmix.core.errors import fault
from molmix.core.files import replace_folder
from molmix.core.progress import Progress
from molmix.data.synthetic import nli, weather
from molmix.judges.nli.labels import LABELS
from molmix.judges.nli.model import NliModel
from molmix.models.manifests import write_manifest

HELD_OUT = 4000  # pairs that accuracy is measured on
SHAPE: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "intermediate_size": 128,
    "max_position_embeddings": 256,
    "hidden_dropout_prob": 0.0,  # few pairs are seen twice
    "attention_probs_dropout_prob": 0.0,
}
# Batches of 64 reach the same held-out accuracy with 40,000 pairs. But scores of captions then differ so much that
# conclusions of docs/results.md change.
BATCH = 128
RARE = 1000  # a word in fewer than one of so many pairs is split into characters
# Pairs of the world to judge, by the study's domain
PAIRS = {"molecules": nli.nli_pairs, "text": weather.nli_pairs}
PEAKS = {"muon": 0.02, "adamw": 2e-3}  # learning rates
WARM_UP = 0.15  # share of the steps


def train(
    *, pairs: int, epochs: float, seed: int, min_accuracy: float, out: Path, threads: int, domain: str = "molecules"
) -> None:
    """Train, evaluate and save the judge.

    Writes ``out/weights`` (config with ``id2label``, safetensors, tokenizer) and ``out/manifest.json`` (kind ``nli``;
    held-out accuracy over all pairs, by label and by kind of pair).

    Args:
        pairs: training pairs.
        epochs: passes over them.
        seed: of pairs and weights. The same seed and threads give the same model on the same machine.
        min_accuracy: minimum held-out accuracy.
        out: folder of the model.
        threads: CPU threads.
        domain: of the study, which selects the embedded world.

    Raises:
        MolmixError: the model stays below ``min_accuracy``.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    nli_pairs = PAIRS[domain]
    learned = nli_pairs(pairs, seed, "train")
    tokenizer = _tokenizer(learned)
    model = _model(len(tokenizer))
    _fit(model, tokenizer, learned, epochs, np.random.default_rng(seed))
    weights = out / "weights"
    with replace_folder(weights) as part:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)

    accuracy = _accuracy(NliModel.load(weights), nli_pairs(HELD_OUT, seed, "heldout"))
    if accuracy["all"] < min_accuracy:
        raise fault(
            f"nli.{out.name}.min_accuracy",
            f"the model reaches an accuracy of {accuracy['all']} on held-out pairs, less than {min_accuracy}",
            f"raise nli.{out.name}.pairs or nli.{out.name}.epochs",
        )
    facts = {
        "id": out.name,
        "kind": "nli",
        "method": "made",
        "parents": [],
        "settings": {"pairs": pairs, "epochs": epochs, "min_accuracy": min_accuracy, **SHAPE},
        "seed": seed,
        "rows": {"train": len(learned), "heldout": HELD_OUT},
        "labels": list(LABELS),
        "accuracy": accuracy,
    }
    write_manifest(out / "manifest.json", facts, weights)


def _tokenizer(pairs: pd.DataFrame) -> BertTokenizerFast:
    """Lower-case wordpieces: the frequent words of the pairs' texts, and characters for all others.

    Broken words are rare, so they are split into characters. Words are counted here, because the trainer of
    ``tokenizers`` numbers wordpieces in a different order in each run.
    """
    counts = Counter(re.findall(r"\w+|[^\w\s]", " ".join([*pairs["premise"], *pairs["hypothesis"]]).lower()))
    words = sorted(word for word, count in counts.items() if count >= len(pairs) / RARE)
    letters = [
        prefix + letter
        for prefix in ("", "##")
        for letter in string.ascii_lowercase + string.digits + string.punctuation
    ]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys([*special, *letters, *words]))}
    return BertTokenizerFast(vocab=vocabulary, model_max_length=SHAPE["max_position_embeddings"])


def _model(vocabulary: int) -> BertForSequenceClassification:
    """A classifier with random weights, in which each head's queries and keys are the same (see the module)."""
    config = BertConfig(
        vocab_size=vocabulary,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
        **SHAPE,
    )
    model: Any = BertForSequenceClassification(config)
    size = config.hidden_size
    with torch.no_grad():
        embeddings = model.bert.embeddings
        torch.nn.init.normal_(embeddings.word_embeddings.weight)
        torch.nn.init.normal_(embeddings.token_type_embeddings.weight, std=0.5)
        steps = torch.arange(config.max_position_embeddings)[:, None]
        angles = steps * torch.exp(-math.log(200) * torch.arange(size // 2) / (size // 2))
        embeddings.position_embeddings.weight.copy_(torch.cat([angles.sin(), angles.cos()], 1) / 2)
        for layer in model.bert.encoder.layer:
            attention = layer.attention.self
            heads = attention.query.weight.view(config.num_attention_heads, -1, size)
            for head in heads:
                torch.nn.init.orthogonal_(head)
            attention.key.weight.copy_(attention.query.weight)
            torch.nn.init.orthogonal_(attention.value.weight)
            torch.nn.init.orthogonal_(layer.attention.output.dense.weight, gain=0.5)
    return model


def _fit(
    model: BertForSequenceClassification,
    tokenizer: BertTokenizerFast,
    pairs: pd.DataFrame,
    epochs: float,
    rng: np.random.Generator,
) -> None:
    encoded = tokenizer(list(pairs["premise"]), list(pairs["hypothesis"]), truncation=True)
    labels = torch.tensor([LABELS.index(label) for label in pairs["label"]])
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and ".encoder." in name]
    chosen = set(map(id, matrices))
    others = [weight for weight in model.parameters() if id(weight) not in chosen]
    optimizers = [
        Muon(matrices, lr=PEAKS["muon"]),
        torch.optim.AdamW(others, lr=PEAKS["adamw"], betas=(0.9, 0.98), weight_decay=0.01),
    ]
    steps = max(1, round(len(pairs) * epochs / BATCH))
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(one, lambda step: _rise_and_fall(step / steps)) for one in optimizers
    ]
    lengths = np.array([len(ids) for ids in encoded["input_ids"]])
    batches = _batches(lengths, rng)
    model.train()
    bar = Progress(range(steps), desc="NLI training", unit="step")
    for _ in bar:
        rows = next(batches)
        inputs = tokenizer.pad(
            {name: [values[row] for row in rows] for name, values in encoded.items()}, return_tensors="pt"
        )
        loss = model(**inputs, labels=labels[rows]).loss
        loss.backward()
        bar.set_numbers({"loss": loss.item()})
        torch.nn.utils.clip_grad_norm_(others, 1.0)  # Muon ignores the size of gradients
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        model.zero_grad()


def _rise_and_fall(done: float) -> float:
    """One cycle: a linear rise to the peak, and a cosine to 0."""
    return done / WARM_UP if done < WARM_UP else (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def _batches(lengths: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless epochs of shuffled batches with rows of similar length, which are sorted in pools of 50 batches."""
    while True:
        order = rng.permutation(len(lengths))
        pools = (order[start : start + 50 * BATCH] for start in range(0, len(order), 50 * BATCH))
        alike = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
        batches = [pool[start : start + BATCH] for pool in alike for start in range(0, len(pool), BATCH)]
        yield from (batches[index] for index in rng.permutation(len(batches)))


def _accuracy(model: NliModel, pairs: pd.DataFrame) -> dict[str, Any]:
    """Share of pairs whose most probable label is right: over all, by label, by kind of pair."""
    said = model.score(list(zip(pairs["premise"], pairs["hypothesis"], strict=True))).probabilities.argmax(axis=1)
    right = pd.Series(np.array(LABELS)[said] == pairs["label"])
    parts = {f"by_{name}": right.groupby(pairs[name]).mean().round(4).to_dict() for name in ("label", "kind")}
    return {"all": round(float(right.mean()), 4), **parts}


# ---- the optimizer -------------------------------------------------------------------------------------------------


class Muon(torch.optim.Optimizer):
    """Muon for matrices: Nesterov momentum, made orthogonal by five Newton-Schulz steps, in float32.

    After Jordan et al. 2024 and Liu et al. (arXiv 2502.16982). Torch's own Muon (``torch.optim.Muon``) always
    multiplies in bfloat16: it is three times slower on a CPU without such instructions.

    Args:
        weights: matrices.
        lr: step, as a spectral norm (for matrices taller than wide, times the square root of height / width).
        momentum: share of the old direction that is kept.
    """

    def __init__(self, weights: list[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for weight in group["params"]:
                alike.setdefault(weight.shape, []).append(weight)
            for (height, width), weights in alike.items():  # group matrices by shape: fewer, larger products
                directions = _orthogonal(
                    torch.stack([self._direction(weight, group["momentum"]) for weight in weights])
                )
                for weight, direction in zip(weights, directions, strict=True):
                    weight.sub_(direction, alpha=group["lr"] * max(1, height / width) ** 0.5)

    def _direction(self, weight: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        assert weight.grad is not None
        average = self.state[weight].setdefault("average", torch.zeros_like(weight))
        average.lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(average, momentum)


def _orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Approximately the nearest orthogonal matrices: [n, height, width] with all singular values near one."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):  # the quintic of Jordan et al.
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if tall else x
