"""Pairs of four LoRA siblings by SLERP and by TIES, against `mergekit-yaml` on `base+adapter`, a call for each merge.

molmix runs as in a graph on two cores: each merge is a process of one thread, two at a time. mergekit-yaml gets one
call after another, all cores, and a cache that its calls share, so that it folds each adapter once. Both compute and
store in float32 and ask no hub. Merged weights are deleted as soon as a merge is there, as `merge_and_generate` does
once they have written captions.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import combinations
from pathlib import Path
from threading import Event, Thread

from benchmarks.common import Row, corpus, sibling, small_model
from benchmarks.merging import METHODS, Method, mergekit_merge, molmix_merge, quietly

SHAPE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 10, "num_attention_heads": 12}
SHAPE |= {"vocab_size": 16_000}
AT_ONCE = 2
PAIRS = list(combinations(("sft", "dpo", "cpo", "kto"), 2))
# Fewer pairs of TIES: mergekit sorts whole tensors, which takes long.
PAIRS_OF = {"slerp": len(PAIRS), "ties": 2}


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = small_model(folder, "base", corpus(400), 0, **SHAPE)
        for seed, model in enumerate(sorted({model for pair in PAIRS for model in pair})):
            sibling(base, model, seed)
        size = (base.parent / "weights" / "model.safetensors").stat().st_size
        folders = [folder / "mergekit" / part for part in ("cache", "out")]  # the cache stays throughout
        with watched(folder / "models", folder / "work") as molmix_bytes, watched(*folders) as mergekit_bytes:
            rows = _times(folder, size)
    peaks = [max(seen) - seen[0] for seen in (molmix_bytes, mergekit_bytes)]
    a, b = (f"{peak / size:.1f} ({peak / 1e9:.1f} GB)" for peak in peaks)
    return [*rows, ("merge matrix, full models on disk at most", a, f"{b} (mergekit-yaml)", "-", "2")]


def _times(folder: Path, size: int) -> list[Row]:
    """Both sides in turn, two pairs at a time, so that a machine that slows down slows both."""
    rows = []
    for method in METHODS:
        many = PAIRS_OF[method.method]
        a = b = 0.0
        for first in range(0, many, AT_ONCE):
            pairs = PAIRS[first : first + AT_ONCE]
            a += _by_molmix(folder, method, pairs)
            b += _by_mergekit(folder, method, pairs)
        what = f"merge matrix, {method.method}, {many} pairs of LoRA siblings, {size / 4e6:.0f} M parameters"
        instead = f"{b:.0f} s (mergekit-yaml, a cache for all calls)"
        rows.append((what, f"{a:.0f} s", instead, f"{a / b:.2f} x the time", "0.5 x"))
    return rows


def _by_molmix(folder: Path, method: Method, pairs: list[tuple[str, str]]) -> float:
    def one(pair: tuple[str, str]) -> None:
        out = ".".join((*pair, method.method))
        quietly(molmix_merge(folder, method, out, *pair, threads=1))
        shutil.rmtree(folder / "models" / out / "weights")

    begin = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, pairs))
    return time.perf_counter() - begin


def _by_mergekit(folder: Path, method: Method, pairs: list[tuple[str, str]]) -> float:
    models, cache = folder / "models", folder / "mergekit" / "cache"
    base = str(models / "base" / "weights")
    begin = time.perf_counter()
    for pair in pairs:
        adapted = [f"{base}+{models / name / 'adapter'}" for name in pair]
        keep = ["--lora-merge-cache", str(cache), "--lora-merge-dtype", "float32"]
        quietly(mergekit_merge(folder, method, "out", *adapted, base, *keep))
        shutil.rmtree(folder / "mergekit" / "out")
    return time.perf_counter() - begin


@contextmanager
def watched(*folders: Path) -> Iterator[list[int]]:
    """Bytes of all weights below some folders, looked at as long as the block runs; the first look is before it."""
    seen, over = [_bytes(folders)], Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.append(_bytes(folders))

    thread = Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _bytes(folders: tuple[Path, ...]) -> int:
    total = 0
    for top in folders:
        for folder, _, files in os.walk(top):  # passes over what is gone by now
            for file in (file for file in files if file.endswith(".safetensors")):
                with suppress(FileNotFoundError):
                    total += Path(folder, file).lstat().st_size  # of a link its own: what it leads to lies elsewhere
    return total
