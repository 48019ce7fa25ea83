"""An NLI model: any sequence classifier with an entailment label, asked for many pairs at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from molmix.errors import fault
from molmix.models import default_device

LABELS = ("entailment", "neutral", "contradiction")


class Scores(NamedTuple):
    """What a model says of n pairs.

    Attributes:
        probabilities: float32 [n, 3], in the order of :data:`LABELS`.
        truncated: bool [n], which pairs were longer than the model or the cut-off takes.
    """

    probabilities: np.ndarray
    truncated: np.ndarray


class NliModel:
    """A loaded model.

    Every batch holds pairs of one length in tokens: nothing is padded, so no time is lost on padding, and what is said
    of a pair does not depend on the pairs beside it (but for the last bits of float32, at most 1e-6 in a probability).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        order: list[int],
        max_length: int,
        batch_tokens: int,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._order = torch.nn.functional.one_hot(torch.tensor(order), len(LABELS)).float().to(model.device)
        self._max_length = max_length
        self._batch_tokens = batch_tokens

    @classmethod
    def load(cls, folder: Path, *, max_length: int = 256, batch_tokens: int = 16384) -> NliModel:
        """Load a local folder, in float32, onto CUDA where there is a GPU.

        Args:
            folder: config, safetensors and tokenizer of a sequence classifier.
            max_length: tokens that pairs are cut at, or fewer where the model takes fewer.
            batch_tokens: tokens in a batch.

        Raises:
            MolmixError: it cannot be loaded, is no trained classifier, or lacks an entailment label.
        """
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, split_special_tokens=True)
            model, info = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise fault(folder, f"cannot be loaded as an NLI model ({error})", "name a sequence classifier") from None
        if info["missing_keys"]:
            missing = ", ".join(sorted(info["missing_keys"])[:3])
            raise fault(folder, f"holds no trained classifier (no {missing})", "name a model that was trained for NLI")
        order = label_order(model.config.id2label, folder)
        limit = min(max_length, tokenizer.model_max_length, _positions(model))
        return cls(model.to(default_device()).eval(), tokenizer, order, limit, batch_tokens)

    def score(self, pairs: Sequence[tuple[str, str]], bar: Any = None) -> Scores:
        """Ask for pairs of (premise, hypothesis).

        Over-long pairs lose tokens from the end of their longer text until they fit.

        Args:
            pairs: any texts, empty ones included.
            bar: a tqdm bar, told of every batch.

        Raises:
            MolmixError: the model answers with no numbers (broken weights).
        """
        rows, truncated = self._encode(pairs)
        lengths = np.array([len(row["input_ids"]) for row in rows], dtype=int)
        probabilities = np.zeros((len(rows), len(LABELS)), np.float32)
        for length in np.unique(lengths)[::-1]:  # the longest first: what does not fit fails at once
            alike = np.flatnonzero(lengths == length)
            step = max(1, self._batch_tokens // length)
            for batch in (alike[start : start + step] for start in range(0, len(alike), step)):
                probabilities[batch] = self._forward([rows[index] for index in batch])
                if bar is not None:
                    bar.update(len(batch))
        if not np.isfinite(probabilities).all():
            raise fault(self._model.name_or_path, "answers with NaN", "its weights are broken: fetch or make it again")
        return Scores(probabilities, truncated)

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[dict[str, list[int]]], np.ndarray]:
        rows = self._tokenize(pairs)
        truncated = np.array([len(row["input_ids"]) > self._max_length for row in rows], dtype=bool)
        long = np.flatnonzero(truncated)
        cut = self._tokenize(
            [pairs[index] for index in long.tolist()], truncation="longest_first", max_length=self._max_length
        )
        for index, row in zip(long, cut, strict=True):
            rows[index] = row
        return rows, truncated

    def _tokenize(self, pairs: Sequence[tuple[str, str]], **settings: Any) -> list[dict[str, list[int]]]:
        if not pairs:
            return []
        premises, hypotheses = map(list, zip(*pairs, strict=True))
        encoded = self._tokenizer(premises, hypotheses, return_attention_mask=False, verbose=False, **settings)
        return [dict(zip(encoded, values, strict=True)) for values in zip(*encoded.values(), strict=True)]

    @torch.inference_mode()
    def _forward(self, rows: list[dict[str, list[int]]]) -> np.ndarray:
        inputs = {name: torch.tensor([row[name] for row in rows], device=self._model.device) for name in rows[0]}
        # Without a mask, some models take it for padding if a text holds the padding token's id.
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        return (self._model(**inputs).logits.float().softmax(-1) @ self._order).cpu().numpy()


def label_order(id2label: dict[int, str], where: object) -> list[int]:
    """For each class of a model, its place in :data:`LABELS`, by name and whatever its case.

    A two-label model (entailment / not_entailment) cannot tell what is contradicted from what is left open: its second
    label counts as neutral and contradiction is always 0, so that such a model finds atoms unsupported, never
    contradicted.

    Raises:
        MolmixError: no label, or more than one, is entailment, or one is unknown.
    """
    names = [str(id2label[index]) for index in sorted(id2label)]
    order = [_place(name.lower().replace("-", "_").replace(" ", "_")) for name in names]
    if order.count(0) != 1 or -1 in order:
        hint = f"name a model (or mend id2label in its config.json) with the labels {', '.join(LABELS)}"
        raise fault(where, f"has the labels {', '.join(names)}, which are not those of an NLI model", hint)
    return order


def _place(name: str) -> int:
    if name.startswith("entail"):
        return 0
    if name.startswith(("neutral", "not_entail", "non_entail")):
        return 1
    return 2 if name.startswith("contradict") else -1


def _positions(model: PreTrainedModel) -> int:
    """How many tokens a model has positions for; RoBERTa-like ones keep the first few for padding."""
    embeddings = getattr(model.base_model, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    if table is None:
        return int(getattr(model.config, "max_position_embeddings", None) or 10**9)
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
