"""What the measurements share: a model of the demo's size with random weights, real molecules and captions, clocks."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

Row = tuple[str, str, str, str, str]
PROMPTS = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}


def in_turn(ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 3) -> tuple[float, float]:
    """Median wall seconds of both, A B A B …"""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, kept in zip((ours, theirs), times, strict=True):
            begin = time.perf_counter()
            call()
            kept.append(time.perf_counter() - begin)
    return median(times[0]), median(times[1])


def python(*arguments: str) -> None:
    """Run a Python process to its end, quietly."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def small_model(folder: Path, name: str, pairs: list[tuple[str, str]], seed: int) -> Path:
    """A model of the table with the demo's shape and random weights; returns its manifest."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from molmix.initial import make_tokenizer
    from molmix.models import write_manifest

    tokenizer = make_tokenizer(pairs, PROMPTS, 800)
    torch.manual_seed(seed)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    weights = folder / "models" / name / "weights"
    LlamaForCausalLM(shape).save_pretrained(weights)
    tokenizer.save_pretrained(weights)
    manifest = folder / "models" / name / "manifest.json"
    write_manifest(manifest, {"id": name, "kind": "initial", "method": "made", "parents": []}, weights)
    return manifest


def corpus(rows: int) -> list[tuple[str, str]]:
    """Molecules and captions of the embedded world."""
    from molmix.world.corpus import corpus as world

    return list(world(rows, 1)[["molecule", "caption"]].itertuples(index=False, name=None))
