"""Training steps of an alignment, against a bare TRL script with the same settings."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import PROMPTS, Row, corpus, small_model
from molmix.prompts import answer, prompt

STEPS, ROUNDS, THREADS = 20, 3, 1


def measure() -> list[Row]:
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    import torch
    from transformers import Trainer

    torch.set_num_threads(THREADS)
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
            return [_method(name, Path(folder), seconds) for name in ("sft", "dpo", "cpo")]
    finally:
        Trainer.train = train


def _method(name: str, folder: Path, seconds: list[float]) -> Row:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from molmix.align import METHODS
    from molmix.align.lora import Lora
    from molmix.align.run import align
    from molmix.align.settings import settings
    from molmix.files import write_table
    from molmix.preferences import PAIRS

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
    over = {"max_steps": STEPS, "gradient_accumulation_steps": 1}
    resolved = settings(name, "modern", over, {})

    def ours() -> None:
        align(
            model_id="policy",
            start=start,
            pairs=folder / "pairs.parquet",
            out=folder / "models" / "policy",
            work=folder / "work",
            settings=resolved | {"method": name, "reference": "start", "quantize": False},
            seed=1,
            threads=THREADS,
            trackers=["tensorboard"],
            curves=folder / "tensorboard" / "policy",
        )

    def bare() -> None:
        shape = ("prompt", "chosen") if name == "sft" else ("prompt", "chosen", "rejected")
        names = {"chosen": "completion"} if name == "sft" else {}
        data = Dataset.from_list([{names.get(key, key): row[key] for key in shape} for row in rows])
        quiet = {"use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True, "save_strategy": "no"}
        METHODS[name].trainer(
            resolved["trl"] | quiet | {"output_dir": str(folder / "bare"), "max_length": 512},
            model=AutoModelForCausalLM.from_pretrained(start.parent / "weights"),
            processing_class=AutoTokenizer.from_pretrained(start.parent / "weights"),
            train_dataset=data,
            peft_config=Lora(**resolved["lora"]).peft(),
        ).train()

    seconds.clear()
    for _ in range(ROUNDS):
        ours()
        bare()
    a, b = median(seconds[::2]), median(seconds[1::2])
    what = f"training, {name}, {STEPS} steps, checkpoints included"
    return (what, f"{a:.2f} s", f"{b:.2f} s (bare TRL, no checkpoints)", f"{b / a:.2f} x", "0.95 x")
