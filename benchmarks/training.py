"""Trainings against bare TRL scripts with the same settings: all methods on the demo's shape, and SFT on that of
SmolLM2-135M, which molmix trains in bfloat16 if the CPU has it; batches by length, against random ones."""

import os
import tempfile
import time
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import PROMPTS, SMOLLM2, Row, corpus, small_model
from molmix.data.prompts import answer, prompt

STEPS, THREADS = 20, 1
ROUNDS = {"sft": 3, "dpo": 2, "cpo": 2, "kto": 2}  # both sides of SFT are the closest
# What molmix changes in TRL, see :func:`molmix.align.methods._shared.use_small_tiles`.
TILES = [("trl.kernels.chunked_logprob", "TOKEN_CHUNK_SIZE")]
TILES += [("trl.trainer.utils", name) for name in ("_CHUNKED_LOGPROB_CHUNK_SIZE", "_use_triton")]
SIDES = ("chosen", "rejected")
# TRL's trainer of each method, without the last part of its name.
BARE = {"sft": "trl.SFT", "dpo": "trl.DPO", "cpo": "trl.experimental.cpo.CPO", "kto": "trl.KTO"}
BATCH = 16  # rows of a batch, where batches by length are compared with random ones


def measure() -> list[Row]:
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    import torch
    from transformers import Trainer

    torch.set_num_threads(THREADS)
    _shipped()
    seconds: list[float] = []
    train = Trainer.train

    def timed(self: Any, *arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        done = train(self, *arguments, **named)
        seconds.append(time.perf_counter() - begin)
        return done

    Trainer.train = timed  # both sides end up in it
    try:
        with tempfile.TemporaryDirectory() as folder:
            start, rows = _prepare(Path(folder))
            against_bare = [_method(name, start, rows, Path(folder), seconds, rounds=ROUNDS[name]) for name in BARE]
            large = small_model(Path(folder), "large", corpus(600), seed=1, **SMOLLM2)
            in_large = {"per_device_train_batch_size": 4, "max_steps": 2}
            against_bare.append(_method("sft", large, rows, Path(folder), seconds, in_large, rounds=1))
            return [*against_bare, _by_length("sft", start, Path(folder), seconds)]
    finally:
        Trainer.train = train


def _prepare(folder: Path) -> tuple[Path, list[dict[str, str]]]:
    """A start's manifest, and the pairs that are in ``pairs.parquet`` then."""
    from molmix.core.files import write_table
    from molmix.data.preferences import PAIRS

    captions = corpus(600)
    start = small_model(folder, "start", captions, seed=1)
    others = [caption for _, caption in captions[1:] + captions[:1]]
    rows = [
        {
            "split": "train",
            "id": str(number),
            "direction": "mol2cap",
            "prompt": prompt(PROMPTS["mol2cap"], "mol2cap", molecule),
            "chosen": answer(caption),
            "rejected": answer(other),
        }
        for number, ((molecule, caption), other) in enumerate(zip(captions, others, strict=True))
    ]
    write_table(folder / "pairs.parquet", rows, PAIRS)
    return start, rows


def _align(name: str, resolved: dict[str, Any], start: Path, folder: Path) -> None:
    from molmix.align.training import align

    align(
        model_id="policy",
        start=start,
        pairs=folder / "pairs.parquet",
        out=folder / "models" / "policy",
        work=folder / "work",
        settings=resolved,
        seed=1,
        threads=THREADS,
        trackers=["tensorboard"],
        curves=folder / "tensorboard" / "policy",
    )


def _method(
    name: str,
    start: Path,
    rows: list[dict[str, str]],
    folder: Path,
    seconds: list[float],
    changes: dict[str, int] | None = None,
    *,
    rounds: int,
) -> Row:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from molmix.align.methods._shared import load_class
    from molmix.align.policy import lora_config
    from molmix.align.settings import resolve_settings

    settings = {"max_steps": STEPS, "gradient_accumulation_steps": 1} | (changes or {})
    resolved = resolve_settings(name, settings=settings)
    config, trainer = (load_class(f"{BARE[name]}{kind}") for kind in ("Config", "Trainer"))

    def bare() -> None:
        for (module, constant), value in _shipped().items():
            setattr(import_module(module), constant, value)
        quiet = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True, "save_strategy": "no"}
        trainer(
            args=config(**resolved["trl"] | quiet | {"output_dir": str(folder / "bare"), "max_length": 512}),
            model=AutoModelForCausalLM.from_pretrained(start.parent / "weights"),
            processing_class=AutoTokenizer.from_pretrained(start.parent / "weights"),
            train_dataset=Dataset.from_list([example for row in rows for example in _examples(name, row)]),
            peft_config=lora_config(resolved["lora"]),
        ).train()

    seconds.clear()
    for _ in range(rounds):
        _align(name, resolved, start, folder)
        bare()
    a, b = median(seconds[::2]), median(seconds[1::2])
    shape = "SmolLM2-135M's shape" if changes else "demo's shape"
    what = f"training, {name}, {shape}, {settings['max_steps']} steps, checkpoints included"
    return (what, f"{a:.2f} s", f"{b:.2f} s (bare TRL in float32, no checkpoints)", f"{b / a:.2f} x", "0.98 x")


@cache
def _shipped() -> dict[tuple[str, str], Any]:
    """What TRL has, read before molmix changes it."""
    return {(module, name): getattr(import_module(module), name) for module, name in TILES}


def _examples(name: str, row: dict[str, str]) -> list[dict[str, object]]:
    """The rows of TRL's data set that a pair makes."""
    if name == "sft":
        return [{"prompt": row["prompt"], "completion": row["chosen"]}]
    if name == "kto":
        return [{"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"} for side in SIDES]
    return [{key: row[key] for key in ("prompt", *SIDES)}]


def _by_length(name: str, start: Path, folder: Path, seconds: list[float]) -> Row:
    """An epoch of batches by length, and one of random batches."""
    from transformers import Trainer

    from molmix.align.settings import resolve_settings

    masks: list[Any] = []
    step = Trainer.training_step

    def watched(self: Any, model: Any, inputs: Any, *arguments: Any) -> Any:
        masks.append(inputs["attention_mask"])
        return step(self, model, inputs, *arguments)

    def padding() -> float:
        """Share of padding in all that was computed since it was last asked for."""
        share = 1 - sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)
        masks.clear()
        return share

    batch = {"per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1}
    orders = ("group_by_length", "random")
    resolved = [resolve_settings(name, settings=batch | {"train_sampling_strategy": order}) for order in orders]
    shares = [0.0, 0.0]
    seconds.clear()
    Trainer.training_step = watched
    try:
        for number, chosen in enumerate(resolved):
            _align(name, chosen, start, folder)
            shares[number] = padding()
    finally:
        Trainer.training_step = step
    a, b = seconds
    by_molmix, by_other = (f"{time:.2f} s, {share:.0%} padding" for time, share in zip((a, b), shares, strict=True))
    return (
        f"training, {name}, an epoch in batches of {BATCH} by length",
        by_molmix,
        f"{by_other} (random)",
        f"{b / a:.2f} x",
        "-",
    )
