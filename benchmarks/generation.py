"""Generation in batches, against one prompt at a time, and against transformers' own batches at their best size."""

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.common import PROMPTS, Row, corpus, in_turn, small_model
from molmix.data.prompts import prompt

ROWS, ALONE = 200, 20
SIZES = (32, ROWS)  # batch sizes of transformers


def measure() -> list[Row]:
    import torch

    from molmix.generation.transformers_engine import TransformersEngine
    from molmix.models.loading import load

    torch.set_num_threads(1)
    pairs = corpus(1000)
    prompts = list(dict.fromkeys(prompt(PROMPTS["mol2cap"], "mol2cap", molecule) for molecule, _ in pairs))[:ROWS]
    settings = {"max_new_tokens": 60, "batch_tokens": 16384, "temperature": 0.0, "top_p": 1.0}
    with tempfile.TemporaryDirectory() as folder:
        manifest = small_model(Path(folder), "one", pairs, seed=1)
        engine = TransformersEngine.load(manifest, settings, seed=1)
        model, tokenizer = load(manifest)

    def by_molmix() -> None:
        for batch in engine.batches(prompts):
            engine.answers(batch)

    @torch.inference_mode()
    def by_transformers() -> None:
        for text in prompts[:ALONE]:
            model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=60, do_sample=False)

    @torch.inference_mode()
    def by_batches(size: int) -> None:
        tokenizer.padding_side = "left"
        by_length = sorted(prompts, key=len, reverse=True)
        for start in range(0, ROWS, size):
            given = tokenizer(by_length[start : start + size], padding=True, return_tensors="pt")
            model.generate(**given, max_new_tokens=60, do_sample=False)

    a, b = in_turn(by_molmix, by_transformers)
    batched, single = ROWS / a, ALONE / b
    by_size = {size: in_turn(by_molmix, partial(by_batches, size)) for size in SIZES}
    best = min(by_size, key=lambda size: by_size[size][1] / by_size[size][0])
    own, other = by_size[best]
    return [
        (
            "generation, 1 thread",
            f"{ROWS / own:.0f} rows/s",
            f"{ROWS / other:.0f} rows/s (transformers: sorted by length, padded, batches of {best})",
            f"{other / own:.2f} x",
            "1.3 x",
        ),
        (
            "generation, 1 thread",
            f"{batched:.0f} rows/s",
            f"{single:.1f} rows/s (one prompt at a time)",
            f"{batched / single:.1f} x",
            "10 x",
        ),
    ]
