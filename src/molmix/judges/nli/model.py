"""An NLI model: any sequence classifier with an entailment label, for many pairs at a time."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from molmix.core.errors import fault
from molmix.judges.nli.engines import ENGINES, TORCH
from molmix.judges.nli.labels import LABELS, label_order
from molmix.judges.nli.number_format import resolve_dtype
from molmix.models.loading import default_device, load_folder, load_tokenizer

_PAIRS = "name a model that was trained on pairs of premise and hypothesis, with the tokenizer that belongs to it"
# A CPU is fastest if a batch fits into its caches: measured at the size of DeBERTa-v3-base, batches of 4,000 tokens
# take twice as long as batches of 1,000.
_CPU_TOKENS = 1024


class Scores(NamedTuple):
    """A model's answers for n pairs.

    Attributes:
        probabilities: float32 [n, 3], in the order of :data:`molmix.judges.nli.labels.LABELS`.
        truncated: bool [n], which pairs were longer than the model or the cut-off allows.
    """

    probabilities: np.ndarray
    truncated: np.ndarray


class NliModel:
    """A loaded model.

    With PyTorch on a CPU, all pairs of a batch have the same length in tokens. So nothing is padded, and a pair's
    answer does not depend on the other pairs. In float32, this is exact to the last bit (see
    :class:`molmix.judges.nli.torch_forward.EvenRows`; measured on x86, where it also holds in bfloat16). Elsewhere,
    pairs are sorted by their length and padded to the longest of their batch. There a probability depends on the batch:
    by at most 1e-5 in float32, by about 1e-2 in bfloat16, and by up to .1 in int8, which takes the scale of a layer's
    inputs from the whole batch.

    Attributes:
        has_contradiction: whether one of its classes is contradiction; a model of two classes has none.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        order: list[int],
        max_length: int,
        batch_tokens: int,
        engine: str = TORCH,
        dtype: str = "float32",
    ) -> None:
        self._name = model.name_or_path
        self._tokenizer = tokenizer
        self._inputs = _inputs(model)
        self._order = order
        device = model.device.type
        self._pads = tokenizer.pad_token_id is not None and ENGINES[engine].pads(device)
        names = [name for name in tokenizer(["a"], ["b"]) if name in self._inputs | {"attention_mask"}]
        self._forward = ENGINES[engine].load(model, list(dict.fromkeys([*names, "attention_mask"])), dtype)
        self.has_contradiction = LABELS.index("contradiction") in order
        self._max_length = max_length
        self._batch_tokens = batch_tokens if device == "cuda" else min(batch_tokens, _CPU_TOKENS)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        max_length: int = 256,
        batch_tokens: int = 16384,
        dtype: str = "float32",
        labels: Sequence[str] | None = None,
        engine: str = TORCH,
    ) -> NliModel:
        """Load a local folder, onto CUDA if there is a GPU and the engine uses it.

        Args:
            folder: config, safetensors and tokenizer of a sequence classifier.
            max_length: maximum tokens of a pair, or fewer if the model allows fewer; longer pairs are cut.
            batch_tokens: tokens in a batch, fewer on a CPU.
            dtype: number format of the computation, one of :data:`molmix.judges.nli.number_format.DTYPES`.
            labels: names of the model's classes in its order; default those of its config (``id2label``).
            engine: the library that computes, a key of :data:`molmix.judges.nli.engines.ENGINES`.

        Raises:
            MolmixError: it cannot be loaded, is not a trained classifier, or lacks an entailment label; or the engine
                is not installed, or does not compute in `dtype`.
        """
        ENGINES[engine].check_installed(engine)
        dtype = resolve_dtype(dtype, engine)
        number_format = getattr(torch, ENGINES[engine].dtype_of_weights(dtype))
        device = default_device() if ENGINES[engine].runs_on_gpu else "cpu"
        model: Any = load_folder(
            folder, bytes_per_weight=number_format.itemsize, device=device, classifier=True, dtype=number_format
        )
        tokenizer = load_tokenizer(folder, model, split_special_tokens=True)
        names = model.config.id2label
        if labels is not None and len(labels) != len(names):
            raise fault(folder, f"has {len(names)} classes, not {len(labels)}", "name every class in `labels`")
        _check_pairs(tokenizer, folder)
        if getattr(model.config, "pad_token_id", None) is None:
            # Nothing is padded. A decoder reads its answer at the last token that is not padding, here the last token.
            model.config.pad_token_id = -1
        order = label_order(names if labels is None else dict(enumerate(labels)), folder)
        limit = min(max_length, tokenizer.model_max_length, positions(model))
        return cls(model.to(device).eval(), tokenizer, order, limit, batch_tokens, engine, dtype)

    def score(self, pairs: Sequence[tuple[str, str]], bar: Any = None) -> Scores:
        """Predict labels of pairs of (premise, hypothesis).

        Pairs that are too long lose tokens from the end of their longer text until they fit.

        Args:
            pairs: any texts, empty ones included.
            bar: the progress, updated after every batch.

        Raises:
            MolmixError: an answer is not a number (broken weights).
        """
        rows, truncated = self._encode(pairs)
        lengths = np.array([len(row["input_ids"]) for row in rows], dtype=int)
        probabilities = np.zeros((len(rows), len(LABELS)), np.float32)
        for batch in self._batches(lengths):
            probabilities[batch] = self._predict([rows[index] for index in batch], lengths[batch])
            if bar is not None:
                bar.update(len(batch))
        if not np.isfinite(probabilities).all():
            raise fault(self._name, "answers with NaN", "its weights are broken: fetch or make it again")
        return Scores(probabilities, truncated)

    def _batches(self, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """Indices of the pairs of each batch, the longest pairs first: a lack of memory shows at once."""
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(order):
            longest = lengths[order[start]]
            batch = order[start : start + max(1, self._batch_tokens // longest)]
            if not self._pads:
                batch = batch[lengths[batch] == longest]
            yield batch
            start += len(batch)

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[dict[str, list[int]]], np.ndarray]:
        whole = self._ends(text for pair in pairs for text in pair)
        cuts = [(premise[: whole[premise]], hypothesis[: whole[hypothesis]]) for premise, hypothesis in pairs]
        rows = self._tokenize(cuts)
        too_long = np.array([len(row["input_ids"]) > self._max_length for row in rows], dtype=bool)
        long = np.flatnonzero(too_long)
        cut = self._tokenize(
            [cuts[index] for index in long.tolist()], truncation="longest_first", max_length=self._max_length
        )
        for index, row in zip(long, cut, strict=True):
            rows[index] = row
        return rows, too_long | np.array([cut != pair for cut, pair in zip(cuts, pairs, strict=True)], dtype=bool)

    def _ends(self, texts: Iterable[str]) -> dict[str, int]:
        """For each text, the number of characters that fit into the model.

        The rest is cut off before pairs are made: the tokenizer's own truncation keeps all overflowing parts, so its
        time and memory grow with the square of the text's length.
        """
        ends = {text: len(text) for text in texts}
        long = [text for text in ends if len(text) > self._max_length]  # a token has at least one character
        if long and self._tokenizer.is_fast:  # others give no positions of tokens
            encoded = self._tokenizer(long, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
            for text, offsets in zip(long, encoded["offset_mapping"], strict=True):
                if len(offsets) > self._max_length:
                    ends[text] = offsets[self._max_length - 1][1]
        return ends

    def _tokenize(self, pairs: Sequence[tuple[str, str]], **settings: Any) -> list[dict[str, list[int]]]:
        if not pairs:
            return []
        premises, hypotheses = map(list, zip(*pairs, strict=True))
        encoded = self._tokenizer(premises, hypotheses, return_attention_mask=False, verbose=False, **settings)
        names = [name for name in encoded if name in self._inputs]
        return [
            dict(zip(names, values, strict=True)) for values in zip(*(encoded[name] for name in names), strict=True)
        ]

    def _predict(self, rows: list[dict[str, list[int]]], lengths: np.ndarray) -> np.ndarray:
        """Probabilities, float32 [rows, 3], of the rows of one batch."""
        longest = lengths.max()
        # Without a mask, some models treat the padding token's id in a text as padding.
        inputs = {"attention_mask": (np.arange(longest) < lengths[:, None]).astype(np.int64)}
        for name in rows[0]:
            filler = self._tokenizer.pad_token_id if name == "input_ids" and self._pads else 0
            inputs[name] = np.array([row[name] + [filler] * (longest - len(row[name])) for row in rows])
        logits = torch.from_numpy(self._forward(inputs))
        probabilities = np.zeros((len(rows), len(LABELS)), np.float32)
        for label, column in zip(self._order, logits.softmax(-1).numpy().T, strict=True):
            probabilities[:, label] += column
        return probabilities


def _check_pairs(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuse a tokenizer that does not separate the texts of a pair: its model cannot distinguish them."""
    try:
        ids = tokenizer(["a"], ["b"], return_attention_mask=False)["input_ids"][0]
    except (ValueError, NotImplementedError, TypeError) as error:
        raise fault(folder, f"has a tokenizer that takes no pairs of texts ({error})", _PAIRS) from None
    if not any(token in tokenizer.all_special_ids for token in ids[1:-1]):
        raise fault(folder, "has a tokenizer that puts nothing between the two texts of a pair", _PAIRS)


def positions(model: PreTrainedModel) -> int:
    """Number of tokens that a model has positions for. RoBERTa-like models reserve the first few for padding."""
    embeddings = getattr(model.base_model, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    if table is None:
        return int(getattr(model.config, "max_position_embeddings", None) or 10**9)
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)


def _inputs(model: PreTrainedModel) -> set[str]:
    """Inputs of a model among a tokenizer's outputs. Some tokenizers give token types to models that have none."""
    names = set(inspect.signature(model.forward).parameters)
    return names if getattr(model.config, "type_vocab_size", 2) > 1 else names - {"token_type_ids"}
