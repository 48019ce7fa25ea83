"""An NLI model: any sequence classifier with an entailment label, for many pairs at a time."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from molmix.core.errors import fault
from molmix.judges.nli.number_format import resolve_dtype
from molmix.models.loading import default_device, load_folder, load_tokenizer

LABELS = ("entailment", "neutral", "contradiction")

# The beginnings of each label's names in all models, in lower case ("entails", "entailment").
_NAMES = (
    ("entail", "support", "align"),
    ("neutral", "not_entail", "non_entail", "unsupport", "not_support", "not_align", "non_align", "misalign"),
    ("contradict",),
)
_PAIRS = "name a model that was trained on pairs of premise and hypothesis, with the tokenizer that belongs to it"
# A CPU is fastest if a batch fits into its caches: measured at the size of DeBERTa-v3-base, batches of 4,000 tokens
# take twice as long as batches of 1,000.
_CPU_TOKENS = 1024


class Scores(NamedTuple):
    """A model's answers for n pairs.

    Attributes:
        probabilities: float32 [n, 3], in the order of :data:`LABELS`.
        truncated: bool [n], which pairs were longer than the model or the cut-off allows.
    """

    probabilities: np.ndarray
    truncated: np.ndarray


class NliModel:
    """A loaded model.

    All pairs of a batch have the same length in tokens. So nothing is padded, no time is lost on padding, and a pair's
    answer does not depend on the other pairs. On a CPU in float32, this is exact to the last bit (see
    :class:`EvenRows`; measured on x86). If a matrix library chooses its routine by the size of the batch (GPUs), a
    probability differs by at most 1e-5 in float32 and by about 1e-2 in bfloat16.

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
    ) -> None:
        self._model = model
        self._distances = Distances(model)
        self._tokenizer = tokenizer
        self._inputs = _inputs(model)
        self._order = order
        self.has_contradiction = LABELS.index("contradiction") in order
        self._max_length = max_length
        self._batch_tokens = batch_tokens if model.device.type == "cuda" else min(batch_tokens, _CPU_TOKENS)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        max_length: int = 256,
        batch_tokens: int = 16384,
        dtype: str = "float32",
        labels: Sequence[str] | None = None,
    ) -> NliModel:
        """Load a local folder, onto CUDA if there is a GPU.

        Args:
            folder: config, safetensors and tokenizer of a sequence classifier.
            max_length: maximum tokens of a pair, or fewer if the model allows fewer; longer pairs are cut.
            batch_tokens: tokens in a batch, fewer on a CPU.
            dtype: number format of the computation, one of :data:`molmix.judges.nli.number_format.DTYPES`.
            labels: names of the model's classes in its order; default those of its config (``id2label``).

        Raises:
            MolmixError: it cannot be loaded, is not a trained classifier, or lacks an entailment label.
        """
        number_format = getattr(torch, resolve_dtype(dtype))
        device = default_device()
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
        return cls(model.to(device).eval(), tokenizer, order, limit, batch_tokens)

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
        for length in np.unique(lengths)[::-1]:  # the longest first: a lack of memory shows at once
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

    @torch.inference_mode()
    def _forward(self, rows: list[dict[str, list[int]]]) -> np.ndarray:
        """Probabilities, float32 [rows, 3], of rows of one length."""
        inputs = {name: torch.tensor([row[name] for row in rows], device=self._model.device) for name in rows[0]}
        # Without a mask, some models treat the padding token's id in a text as padding.
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        self._distances.fit(inputs["input_ids"].shape[1])
        with EvenRows():
            logits = self._model(**inputs).logits
        probabilities = np.zeros((len(rows), len(LABELS)), np.float32)
        for label, column in zip(self._order, logits.float().softmax(-1).cpu().numpy().T, strict=True):
            probabilities[:, label] += column
        return probabilities


def label_order(id2label: Mapping[int, str], where: object) -> list[int]:
    """For each class of a model, its index in :data:`LABELS`, by name in any case.

    A two-label model (entailment / not_entailment, supported / unsupported, aligned / not-aligned) does not distinguish
    contradiction from neutral. Its second label counts as neutral, and contradiction is always 0. So for such a model,
    atoms are unsupported and never contradicted.

    Raises:
        MolmixError: no label or more than one label is entailment, or a label is unknown.
    """
    names = [str(id2label[index]) for index in sorted(id2label)]
    order = [_label_index(name.lower().replace("-", "_").replace(" ", "_")) for name in names]
    if order.count(0) != 1 or -1 in order or len(order) < 2:
        hint = f"name an NLI model, or say in `labels` which of its classes are {', '.join(LABELS)}, in its order"
        raise fault(where, f"has the labels {', '.join(names)}, which are not those of an NLI model", hint)
    return order


def _label_index(name: str) -> int:
    return next((index for index, starts in enumerate(_NAMES) if name.startswith(starts)), -1)


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


# ---- batch invariance ---------------------------------------------------------------------------------------------

# Matrix libraries use a different routine for the last few rows of a matrix, which sums in another order. Multiples of
# 16 rows have no such rest. Measured with MKL on 1 to 16 threads, where the last 1 to 3 rows (of all, or of a thread's
# share) differ in their last bits.
_ROWS = 16
_MANY = 1024  # from so many rows on, no thread's share is only a few rows


class EvenRows(TorchFunctionMode):
    """In this context, linear layers get multiples of 16 rows: zero rows are added before and removed after.

    In batches of one length, all other operations of an encoder work on single pairs or numbers. So on a CPU, a pair's
    float32 answer is the same to the last bit in any batch. No pair is computed twice: only rows of single layers are
    added. This matters most for classifier heads, which get one row per pair.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Pad the input of linear layers; see the class."""
        if func is not torch.nn.functional.linear or kwargs:
            return func(*args, **kwargs or {})
        rows, *weights = args
        flat = rows.reshape(-1, rows.shape[-1])
        lacking = -len(flat) % _ROWS if len(flat) < _MANY else 0
        if not lacking:
            return func(*args)
        full = func(torch.nn.functional.pad(flat, (0, 0, 0, lacking)), *weights)
        return full[: len(flat)].reshape(*rows.shape[:-1], -1)


# ---- DeBERTa ------------------------------------------------------------------------------------------------------


class Distances:
    """Cuts the table of relative positions of a loaded DeBERTa to those of a batch. Does not change other models.

    DeBERTa-v2 and -v3 compare every token with all 512 embedded distances, for any length of the text, and then select
    the few that occur. On short texts, this takes a third to a half of the whole time. The remaining products are
    unchanged, so the answer is the same.

    Args:
        model: any sequence classifier of transformers.
    """

    def __init__(self, model: Any) -> None:
        encoder: Any = getattr(model.base_model, "encoder", None)
        self._encoder = None
        if model.config.model_type == "deberta-v2" and encoder.relative_attention:
            self._encoder = encoder
            self._layers = [layer.attention.self for layer in encoder.layer]
            self._span = self._layers[0].pos_ebd_size
            with torch.inference_mode():
                self._table = encoder.get_rel_embedding()  # the layer norm of a parameter, which is constant
            encoder.get_rel_embedding = lambda: self._kept

    def fit(self, length: int) -> None:
        """Keep the distances that occur in texts of `length` tokens."""
        if self._encoder is None:
            return
        with torch.inference_mode():
            farthest = int(self._encoder.get_rel_pos(torch.empty(1, length, 1)).abs().max())
        span = min(farthest + 1, self._span)
        self._kept = self._table[self._span - span : self._span + span]
        for layer in self._layers:
            layer.pos_ebd_size = span
