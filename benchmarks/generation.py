"""Generation in batches, against transformers' own batches at their best, and against one prompt at a time.

Two shapes: the demo's, trained for some seconds, so that answers end at different lengths as those of trained models
do; and that of SmolLM2-135M with random weights, whose answers all have the same length.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import PROMPTS, SMOLLM2, Row, corpus, in_turn, small_model
from molmix.data.prompts import prompt

ALONE = 20


def measure() -> list[Row]:
    import torch

    torch.set_num_threads(1)
    pairs = corpus(1000)
    with tempfile.TemporaryDirectory() as folder:
        small = small_model(Path(folder), "small", pairs, seed=1)
        _train(small, pairs)
        large = small_model(Path(folder), "large", pairs, seed=1, **SMOLLM2)
        return _small(small, pairs) + _large(large, pairs)


def _train(manifest: Path, pairs: list[tuple[str, str]]) -> None:
    """Some steps of training, after which greedy answers end."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from molmix.models.manifests import write_manifest
    from molmix.models.small import encode

    weights = manifest.parent / "weights"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(weights), AutoTokenizer.from_pretrained(weights)
    rows = encode(tokenizer, pairs, "mol2cap", PROMPTS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(150):
        chosen = [rows[(step * 16 + number) % len(rows)][0] for number in range(16)]
        width = max(map(len, chosen))
        ids = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in chosen])
        real = torch.arange(width) < torch.tensor([[len(row)] for row in chosen])
        model(input_ids=ids, attention_mask=real.long(), labels=ids.masked_fill(~real, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(weights)
    write_manifest(manifest, {"id": manifest.parent.name, "kind": "initial", "method": "made", "parents": []}, weights)


def _small(manifest: Path, pairs: list[tuple[str, str]]) -> list[Row]:
    asked = _prompts(pairs, 200)
    unsorted = {"batches of 32": (32, False), "all at once": (200, False)}
    by_length = {f"sorted by length, batches of {size}": (size, True) for size in (32, 64)}
    own, others = _times(manifest, "float32", asked, 60, unsorted | by_length, rounds=5)
    by_molmix, by_transformers = _sides(manifest, "float32", 60)
    together, alone = in_turn(partial(by_molmix, asked), partial(by_transformers, asked[:ALONE], 1, False))
    return [
        *(
            _row("generation, demo's shape, float32", asked, own, {name: others[name] for name in peers}, "1.3 x")
            for peers in (unsorted, by_length)
        ),
        (
            "generation, demo's shape, float32, 1 thread",
            f"{len(asked) / together:.0f} rows/s",
            f"{ALONE / alone:.1f} rows/s (transformers: one prompt at a time)",
            f"{len(asked) / together * alone / ALONE:.1f} x",
            "10 x",
        ),
    ]


def _large(manifest: Path, pairs: list[tuple[str, str]]) -> list[Row]:
    asked = _prompts(pairs, 48)
    peers = {"sorted by length, batches of 32": (32, True), "all at once": (48, False)}
    what = "generation, SmolLM2-135M's shape"
    times = {dtype: _times(manifest, dtype, asked, 16, peers, rounds=3) for dtype in ("float32", "bfloat16")}
    rows = [_row(f"{what}, {dtype}", asked, *both, "-") for dtype, both in times.items()]
    own, others = times["bfloat16"][0], {f"{name}, float32": time for name, time in times["float32"][1].items()}
    return [*rows, _row(f"{what}, as molmix runs it: bfloat16", asked, own, others, "1.9 x")]


def _row(what: str, asked: list[str], own: float, others: dict[str, float], target: str) -> Row:
    """Seconds of molmix, `own`, against the fastest of `others`, which are seconds by the peer's name."""
    other, name = min((seconds, name) for name, seconds in others.items())
    instead = f"transformers: {name}, the best of {len(others)}"
    rates = f"{len(asked) / own:.1f} rows/s", f"{len(asked) / other:.1f} rows/s ({instead})"
    return (f"{what}, 1 thread", *rates, f"{other / own:.2f} x", target)


def _prompts(pairs: list[tuple[str, str]], number: int) -> list[str]:
    return list(dict.fromkeys(prompt(PROMPTS["mol2cap"], "mol2cap", molecule) for molecule, _ in pairs))[:number]


def _times(
    manifest: Path, dtype: str, asked: list[str], length: int, peers: dict[str, tuple[int, bool]], rounds: int
) -> tuple[float, dict[str, float]]:
    """Seconds of molmix and of each peer by name, all measured in turn.

    Args:
        manifest, dtype, asked, length: model, its type, prompts, and the longest answer in tokens.
        peers: by name, the size of a batch and whether prompts are sorted by their length.
        rounds: how often each of them is measured.
    """
    by_molmix, by_transformers = _sides(manifest, dtype, length)
    by_molmix(asked[:2])  # the first calls are slower
    by_transformers(asked[:2], 1, False)
    calls = [partial(by_transformers, asked, *peer) for peer in peers.values()]
    own, *others = in_turn(partial(by_molmix, asked), *calls, rounds=rounds)
    return own, dict(zip(peers, others, strict=True))


def _sides(
    manifest: Path, dtype: str, length: int
) -> tuple[Callable[[list[str]], None], Callable[[list[str], int, bool], None]]:
    """Functions that answer prompts by molmix, and by transformers in batches of a size, sorted or not."""
    import torch

    from molmix.generation.transformers_engine import TransformersEngine
    from molmix.models.loading import load

    settings: dict[str, Any] = {"dtype": dtype, "max_new_tokens": length, "batch_tokens": 16384}
    engine = TransformersEngine.load(manifest, settings | {"temperature": 0.0, "top_p": 1.0}, seed=1)
    model, tokenizer = load(manifest, getattr(torch, dtype))
    tokenizer.padding_side = "left"

    def by_molmix(prompts: list[str]) -> None:
        for batch in engine.batches(prompts):
            engine.answers(batch)

    @torch.inference_mode()
    def by_transformers(prompts: list[str], size: int, sort: bool) -> None:
        ordered = sorted(prompts, key=len, reverse=True) if sort else prompts
        for start in range(0, len(ordered), size):
            given = tokenizer(ordered[start : start + size], padding=True, return_tensors="pt")
            model.generate(**given, max_new_tokens=length, do_sample=False)

    return by_molmix, by_transformers
