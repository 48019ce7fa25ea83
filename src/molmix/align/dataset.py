"""Training rows: read, tokenized and checked before TRL gets them, and converted to a method's type of data set.

TRL tokenizes prompt and completion together, and the tokens after the prompt's own tokens are the completion. TRL only
warns if the last tokens of the prompt change with the completion. It drops a row whose prompt fills the window without
a message (CPO trains it without a completion). A pair whose texts differ only after the end of the window trains
nothing, or (KTO) one text with both labels. So this module first tokenizes every text in the same way. Texts that would
be trained wrongly are errors. Rows that do not fit are dropped and counted.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from molmix.align.methods._shared import TEXTS
from molmix.core.errors import fault
from molmix.core.files import read_table
from molmix.models.tokenization import tokenize_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from molmix.models.chat import ChatFormat

COLUMNS = ["split", "id", "direction", "prompt", "chosen", "rejected"]

COUNTS = ("train", "validation", "dropped_prompt_too_long", "dropped_equal_when_cut", "truncated", "empty_rejected")

# A row in the format of a TRL trainer, and the token ids of its texts.
Example = tuple[dict[str, Any], tuple[list[int], ...]]


@dataclass
class Rows:
    """Rows of one alignment.

    Attributes:
        train, validation: rows in the format of the method's trainer.
        counts: numbers of pairs: ``train`` and ``validation`` (used), ``dropped_prompt_too_long`` (dropped because the
            prompt alone fills the window), ``dropped_equal_when_cut`` (dropped because chosen and rejected text are
            equal after truncation), ``truncated`` (used with a truncated text) and ``empty_rejected`` (used with an
            empty rejected text; 0 if the method does not read rejected texts).
    """

    train: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def prepare_rows(
    pairs: Path,
    tokenizer: PreTrainedTokenizerBase,
    dataset_type: str,
    window: int,
    seed: int,
    chat: ChatFormat | None = None,
    numbers: Mapping[tuple[str, str], int] | None = None,
) -> Rows:
    """Read the pairs, check every text that `dataset_type` trains on, and drop pairs that do not fit.

    Args:
        pairs: Parquet table with the columns of `COLUMNS`; ``chosen`` and ``rejected`` begin with a space.
        tokenizer: tokenizer of the start, or of `chat`.
        dataset_type: data set type of the method, see :data:`molmix.align.methods._shared.TEXTS`.
        window: maximum tokens of prompt, completion and end token together; completions are truncated to fit.
        seed: seed that shuffles unpaired rows, which TRL would otherwise train in blocks of one label.
        chat: the chat template that prompts and answers are put into; None for plain prompts.
        numbers: for the type ``prompt-only``, whose rows are those with a caption as answer: the number of the molecule
            of a row, by its split and its id.

    Raises:
        MolmixError: a text would be trained wrongly, or no training row is left.
    """
    rows = Rows(counts=dict.fromkeys(COUNTS, 0))
    table = read_table(pairs, COLUMNS).to_pylist()
    if dataset_type == "prompt-only" and numbers is not None:
        table = [row | {"row": numbers[row["split"], row["id"]]} for row in table if row["direction"] == "mol2cap"]
    if chat:
        table = [_in_chat(row, chat, TEXTS[dataset_type]) for row in table]
    prompts, texts = _tokenized(table, tokenizer, TEXTS[dataset_type], pairs, chat)
    for row, prompt, whole in zip(table, prompts, texts, strict=True):
        if len(prompt) >= window:
            rows.counts["dropped_prompt_too_long"] += 1
            continue
        if len(whole) > 1 and whole[0][:window] == whole[1][:window]:
            rows.counts["dropped_equal_when_cut"] += 1
            continue
        rows.counts[row["split"]] += 1
        rows.counts["truncated"] += any(len(ids) > window for ids in whole)
        rows.counts["empty_rejected"] += "rejected" in TEXTS[dataset_type] and not row["rejected"].strip()
        getattr(rows, row["split"]).extend(_shaped(row, prompt, whole, dataset_type))
    if not rows.train:
        long, equal = rows.counts["dropped_prompt_too_long"], rows.counts["dropped_equal_when_cut"]
        raise fault(
            pairs,
            f"no row is left to train on ({long} prompts fill the window of {window} tokens, {equal} pairs are equal"
            " when they are cut there)",
            "raise `settings.max_length`" if long or equal else "look at what the pairs are made from",
        )
    if dataset_type == "unpaired-preference":
        random.Random(seed).shuffle(rows.train)
        random.Random(seed).shuffle(rows.validation)
    return rows


def _in_chat(row: dict[str, Any], chat: ChatFormat, sides: tuple[str, ...]) -> dict[str, Any]:
    """A row with its prompt, and the texts of some sides, as they are in a chat template."""
    answers = {side: chat.answer(row["prompt"], row[side].removeprefix(" ")) for side in sides}
    return row | answers | {"prompt": chat.prompt(row["prompt"])}


def _tokenized(
    table: list[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    sides: tuple[str, ...],
    pairs: Path,
    chat: ChatFormat | None,
) -> tuple[list[list[int]], list[tuple[list[int], ...]]]:
    """Token ids of each row's prompt, and of prompt, completion and end token together for each of its sides."""
    if not table:
        return [], []
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    prompts = tokenize_prompts(tokenizer, [row["prompt"] for row in table], pairs)
    end = tokenizer.eos_token
    texts = [tokenizer([row["prompt"] + row[side] + end for row in table])["input_ids"] for side in sides]

    wholes: list[tuple[list[int], ...]] = list(zip(*texts, strict=True)) if sides else [()] * len(table)
    checked = [
        (row["id"], prompt, ids) for row, prompt, whole in zip(table, prompts, wholes, strict=True) for ids in whole
    ]
    broken = [row for row, prompt, ids in checked if ids[: len(prompt)] != prompt]
    if broken:
        raise fault(
            pairs,
            f"in {len(broken)} of {len(checked)} texts, row {broken[0]!r} the first, the prompt's last tokens"
            " change when the answer follows: training and generation would see different prompts",
            "set `prompts.template: plain`" if chat else "end the templates in `prompts` with a letter or a colon",
        )
    # A chat template has such tokens in the prompt, too; it refuses them in texts.
    marked = [
        row for row, prompt, ids in checked if ids[-1] != eos or {bos, eos} & set(ids[len(prompt) if chat else 1 : -1])
    ]
    if marked:
        raise fault(
            pairs,
            f"{len(marked)} of {len(checked)} texts, row {marked[0]!r} the first, have {tokenizer.bos_token!r} or"
            f" {end!r} elsewhere than at their two ends",
            "remove such marks from molecules and captions",
        )
    return prompts, wholes


def _shaped(row: dict[str, Any], prompt: list[int], whole: tuple[list[int], ...], dataset_type: str) -> list[Example]:
    """The examples from a row: one, or one for each text if the method trains on single texts."""
    if dataset_type == "prompt-only":
        return [({"prompt": row["prompt"], "row": row["row"]}, (prompt,))]
    if dataset_type == "preference":
        return [({"prompt": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"]}, whole)]
    examples: list[Example] = [
        ({"prompt": row["prompt"], "completion": row[side]}, (ids,))
        for side, ids in zip(TEXTS[dataset_type], whole, strict=True)
    ]
    if dataset_type == "unpaired-preference":
        for (example, _), side in zip(examples, TEXTS[dataset_type], strict=True):
            example["label"] = side == "chosen"
    return examples


class LengthGroupedOrder(Sampler[int]):
    """A random order of batches, in which the rows of a batch have similar lengths.

    The order depends only on the seed and the epoch, so that a resumed training continues at the same row, as with
    accelerate's random order. transformers' own sampler (`train_sampling_strategy: group_by_length`) uses the random
    state of the process, and sorts each group of up to 50 batches from long to short.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        """
        Args:
            lengths: length of each row's longest text, in tokens.
            batch: number of rows in a batch.
            seed: seed of the order; the number of the epoch is added to it.
        """
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Use the order of this epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed(self.seed + self.epoch)
        order = get_length_grouped_indices(self.lengths, self.batch, generator=draw)
        batches = [order[begin : begin + self.batch] for begin in range(0, len(order), self.batch)]
        # The first batch stays first: it has the longest text, so too little memory fails at once. The last batch stays
        # last: it may have fewer rows.
        inner = batches[1:-1]
        batches[1:-1] = [inner[index] for index in torch.randperm(len(inner), generator=draw)]
        return itertools.chain.from_iterable(batches)
