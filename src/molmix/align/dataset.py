"""Rows to train on: read, tokenized and checked before TRL sees them, and made into a method's type of data set.

TRL tokenizes prompt and completion together and takes what follows the prompt's own tokens as the completion.
A seam that tokenizes otherwise only warns there, and a row whose prompt fills the window is dropped in
silence (or, by CPO, trained without a completion). So every text is tokenized here first, the same way: what
would train wrongly is refused, what does not fit is dropped and counted.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.align.methods._shared import TEXTS
from molmix.core.errors import fault
from molmix.core.files import read_table
from molmix.models.tokenization import tokenize_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COLUMNS = ["split", "id", "prompt", "chosen", "rejected"]

# A row as a TRL trainer takes it, and the token ids of its texts.
Example = tuple[dict[str, Any], tuple[list[int], ...]]


@dataclass
class Rows:
    """Rows of one alignment.

    Attributes:
        train, validation: rows as the method's trainer takes them.
        counts: pairs that are trained on, validated on, dropped since the prompt alone fills the window, and
            trained on with a text cut at the window's end.
    """

    train: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def prepare(pairs: Path, tokenizer: PreTrainedTokenizerBase, dataset_type: str, window: int, seed: int) -> Rows:
    """Read the pairs, check every text that `dataset_type` trains on, and drop what does not fit.

    Args:
        pairs: Parquet table with the columns of `COLUMNS`; ``chosen`` and ``rejected`` begin with a space.
        tokenizer: the start's.
        dataset_type: the method's, see :data:`molmix.align.methods._shared.TEXTS`.
        window: tokens of prompt, completion and end together; completions are cut there.
        seed: shuffles unpaired rows, which TRL would otherwise train on in blocks of one label.

    Raises:
        MolmixError: a text that would train wrongly, or no training row left.
    """
    rows = Rows(counts=dict.fromkeys(("train", "validation", "dropped_prompt_too_long", "truncated"), 0))
    table = read_table(pairs, COLUMNS).to_pylist()
    prompts, texts = _tokenized(table, tokenizer, TEXTS[dataset_type], pairs)
    for row, prompt, whole in zip(table, prompts, texts, strict=True):
        if len(prompt) >= window:
            rows.counts["dropped_prompt_too_long"] += 1
            continue
        rows.counts[row["split"]] += 1
        rows.counts["truncated"] += any(len(ids) > window for ids in whole)
        getattr(rows, row["split"]).extend(_shaped(row, whole, dataset_type))
    if not rows.train:
        dropped = rows.counts["dropped_prompt_too_long"]
        raise fault(
            pairs,
            f"no row is left to train on ({dropped} prompts fill the window of {window} tokens)",
            "raise `settings.max_length`" if dropped else "look at what the pairs are made from",
        )
    if dataset_type == "unpaired-preference":
        random.Random(seed).shuffle(rows.train)
        random.Random(seed).shuffle(rows.validation)
    return rows


def _tokenized(
    table: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, sides: tuple[str, ...], pairs: Path
) -> tuple[list[list[int]], list[tuple[list[int], ...]]]:
    """Token ids of each row's prompt, and of prompt, completion and end for each of its sides."""
    if not table:
        return [], []
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    prompts = tokenize_prompts(tokenizer, [row["prompt"] for row in table], pairs)
    end = tokenizer.eos_token
    texts = [tokenizer([row["prompt"] + row[side] + end for row in table])["input_ids"] for side in sides]

    wholes = list(zip(*texts, strict=True))
    checked = [
        (row["id"], prompt, ids) for row, prompt, whole in zip(table, prompts, wholes, strict=True) for ids in whole
    ]
    broken = [row for row, prompt, ids in checked if ids[: len(prompt)] != prompt]
    if broken:
        raise fault(
            pairs,
            f"in {len(broken)} of {len(checked)} texts, row {broken[0]!r} the first, the prompt's last tokens"
            " change when the answer follows: training would not see what generation starts from",
            "end the templates in `prompts` with a letter or a colon",
        )
    marked = [row for row, _, ids in checked if ids[-1] != eos or {bos, eos} & set(ids[1:-1])]
    if marked:
        raise fault(
            pairs,
            f"{len(marked)} of {len(checked)} texts, row {marked[0]!r} the first, have {tokenizer.bos_token!r} or"
            f" {end!r} elsewhere than at their two ends",
            "remove such marks from molecules and captions",
        )
    return prompts, wholes


def _shaped(row: dict[str, Any], whole: tuple[list[int], ...], dataset_type: str) -> list[Example]:
    """The examples that a row makes: one, or one for each text where the method takes texts one by one."""
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
