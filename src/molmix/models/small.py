"""Initial models that the graph trains itself: small Llamas, from random weights or from a parent's weights.

For a model without a parent, the tokenizer is trained too. Training is one simple loop on the CPU in fp32. It takes
about a minute and gives the same bytes for the same seed. A killed job starts again from the beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from molmix.core.errors import fault
from molmix.core.files import file_digest, read_json, read_table, replace_folder, write_table
from molmix.core.progress import Progress
from molmix.core.tracking import TensorBoard
from molmix.data.prompts import answer, prompt
from molmix.models.loading import load
from molmix.models.manifests import write_manifest
from molmix.models.settings import check_heads
from molmix.models.tokenization import tokenize_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTEXT = 512  # tokens; the longest text that these models can read
WARM_UP = 0.05  # share of the steps
CLIP = 1.0  # gradient norm
BUCKET = 16  # number of batches whose rows are sorted by length together
SLOTS = {"mol2cap": "molecule", "cap2mol": "caption"}  # of a prompt, by direction
LOG = pa.schema({"step": pa.int64(), "epoch": pa.float64(), "loss": pa.float64(), "learning_rate": pa.float64()})

# Token ids, and the number of first tokens without a loss.
Row = tuple[list[int], int]


def train_initial(
    *,
    model_id: str,
    train: Path,
    parent: Path | None,
    out: Path,
    settings: dict[str, Any],
    seed: int,
    threads: int,
    trackers: list[str],
    curves: Path,
) -> None:
    """Train a small Llama and write its folder: ``weights/``, ``log.parquet`` and, last, ``manifest.json``.

    Args:
        model_id: id in the model table.
        train: Parquet table with the columns ``molecule`` and ``caption``.
        parent: manifest of the model whose training is continued, with its tokenizer; None starts from random weights.
        out: the model's folder.
        settings: :class:`molmix.models.settings.MadeModel` as a dict, and ``prompts``, the templates.
        seed: of the weights and of the order of rows.
        threads: CPU cores to use.
        trackers: see :mod:`molmix.core.tracking`; only TensorBoard is used here.
        curves: folder for TensorBoard's file of this model.

    Raises:
        MolmixError: no text fits, the heads do not divide the width, or the loss is not finite.
    """
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    pairs = [(row["molecule"], row["caption"]) for row in read_table(train, ["molecule", "caption"]).to_pylist()]
    if parent:
        # On the CPU even if there is a GPU: fast enough at this size, and the same bytes in every run.
        model, tokenizer = load(parent, torch.float32, "cpu")
    else:
        tokenizer = make_tokenizer(pairs, settings["prompts"], settings["vocabulary"])
        model = _random_model(model_id, tokenizer, settings)
    rows = encode(tokenizer, pairs, settings["task"], settings["prompts"])
    fitting = [row for row in rows if len(row[0]) <= CONTEXT]
    if not fitting:
        raise fault(train, f"none of its {len(rows)} texts has up to {CONTEXT} tokens", "check the captions in it")
    shown = TensorBoard(curves, trackers)
    log = _train(f"initial.{model_id}", model, fitting, settings, seed, shown)
    shown.close()

    # Other jobs depend on the manifest: it is deleted first and written last.
    (out / "manifest.json").unlink(missing_ok=True)
    with replace_folder(out / "weights") as part:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    write_table(out / "log.parquet", log, LOG)
    facts = {
        "id": model_id,
        "kind": "initial",
        "method": "made",
        "parents": [parent.parent.name] if parent else [],
        "settings": settings,
        "seed": seed,
        "inputs": {"train": file_digest(train)}
        | ({"parent": read_json(parent)["weights"]["digest"]} if parent else {}),
        "rows": {"texts": len(rows), "dropped_too_long": len(rows) - len(fitting)},
        "steps": len(log),
        "final_loss": sum(entry["loss"] for entry in log[-10:]) / len(log[-10:]),
        "parameters": model.num_parameters(),
        "device": "cpu",
        "dtype": "float32",
    }
    write_manifest(out / "manifest.json", facts, out / "weights")


def make_tokenizer(pairs: list[tuple[str, str]], templates: dict[str, str], size: int) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE tokenizer on both prompts with their answers.

    It encodes any text without loss. It adds ``<s>`` before a text, as Llama's does, and nothing after it. Tokens do
    not cross a space, so that ``prompt + answer`` has the tokens of the prompt and those of the answer.

    Args:
        pairs: molecule and caption of each row.
        templates: prompt template by direction.
        size: total number of tokens, including the four special ones and the 256 bytes.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = Tokenizer(models.BPE(unk_token=special["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special.values()), initial_alphabet=alphabet, show_progress=False
    )
    texts = (text for direction in SLOTS for pair in pairs for text in _seam(direction, pair, templates))
    tokenizer.train_from_iterator(texts, trainer)
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=CONTEXT, clean_up_tokenization_spaces=False, **special
    )


def encode(
    tokenizer: PreTrainedTokenizerBase, pairs: list[tuple[str, str]], task: str, templates: dict[str, str]
) -> list[Row]:
    """Texts of a task as token ids, each with one ``<s>`` at its start and ``</s>`` at its end.

    The texts of a direction are prompts with their answers; the answer and ``</s>`` have a loss. The texts of
    ``unpaired`` are the beginnings of the prompts, up to and including the molecule or the caption. Every molecule and
    every caption occurs once, never both in one text.
    """
    if task == "unpaired":
        texts = [
            templates[direction].split("{" + slot + "}")[0] + pair[side]
            for side, (direction, slot) in enumerate(SLOTS.items())
            for pair in pairs
        ]
        return [([*ids, tokenizer.eos_token_id], 1) for ids in tokenizer(texts)["input_ids"]]
    prompts, answers = zip(*(_seam(task, pair, templates) for pair in pairs), strict=True)
    heads = tokenize_prompts(tokenizer, prompts, "prompts")
    tails = tokenizer(list(answers), add_special_tokens=False)["input_ids"]
    return [([*head, *tail, tokenizer.eos_token_id], len(head)) for head, tail in zip(heads, tails, strict=True)]


def _seam(direction: Any, pair: tuple[str, str], templates: dict[str, str]) -> tuple[str, str]:
    source, target = pair if direction == "mol2cap" else pair[::-1]
    return prompt(templates[direction], direction, source), answer(target)


def _random_model(model_id: str, tokenizer: PreTrainedTokenizerBase, settings: dict[str, Any]) -> PreTrainedModel:
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, heads = settings["hidden_size"], settings["heads"]
    check_heads(model_id, hidden, heads)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=8 * math.ceil(hidden / 3),  # Llama's 8/3, in a multiple of 8
        num_hidden_layers=settings["layers"],
        num_attention_heads=heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _train(
    name: str, model: PreTrainedModel, rows: list[Row], settings: dict[str, Any], seed: int, shown: TensorBoard
) -> list[dict[str, Any]]:
    """AdamW with linear warm-up and cosine decay to zero; one entry of :data:`LOG` per step."""
    import torch

    an_epoch = math.ceil(len(rows) / settings["batch_size"])
    steps = max(1, round(settings["epochs"] * an_epoch))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], weight_decay=0.0, fused=True)
    log = []
    model.train()
    batches = _batches(rows, settings["batch_size"], seed)
    bar = Progress(range(1, steps + 1), desc=name, unit="step")
    for step in bar:
        ids, labels = _padded([rows[index] for index in next(batches)], model.config.pad_token_id)
        # No attention mask: padding is on the right, and causal attention reads only to the left.
        loss = model(input_ids=ids, labels=labels).loss
        if not math.isfinite(loss.item()):
            raise fault(name, f"the loss is {loss.item()} at step {step}", "lower its `learning_rate`")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.param_groups[0]["lr"] = rate = settings["learning_rate"] * _share(step, steps)
        optimizer.step()
        optimizer.zero_grad()
        bar.set_numbers({"loss": loss.item()})
        log.append({"step": step, "epoch": step / an_epoch, "loss": loss.item(), "learning_rate": rate})
        shown.add(step, {name: value for name, value in log[-1].items() if name != "step"})
    model.eval()
    return log


def _share(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step (from 1): linear warm-up, then cosine decay to zero."""
    warm_up = math.ceil(WARM_UP * steps)
    return min(step / warm_up, (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up + 1))) / 2)


def _batches(rows: list[Row], size: int, seed: int) -> Iterator[list[int]]:
    """Endless batches of row indices: each epoch in a new random order, with rows of similar length in a batch."""
    import numpy as np

    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(rows)).tolist()
        buckets = (order[start : start + size * BUCKET] for start in range(0, len(order), size * BUCKET))
        sorted_order = [row for bucket in buckets for row in sorted(bucket, key=lambda row: len(rows[row][0]))]
        batches = [sorted_order[start : start + size] for start in range(0, len(order), size)]
        yield from (batches[index] for index in random.permutation(len(batches)))


def _padded(rows: list[Row], pad: int) -> tuple[Any, Any]:
    """Ids and labels, each (rows, longest); a label of -100 has no loss."""
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows])
    labels = torch.tensor([[-100] * free + ids[free:] + [-100] * (width - len(ids)) for ids, free in rows])
    return ids, labels
