"""Memory of a merge of two LoRA siblings at the shape of Llama-3.2-1B, beside `mergekit-yaml` on `base+adapter`.

The base has random weights in bfloat16, as such models are published; both sides compute in float32 and store the
merge in bfloat16. Run by its name only: it takes a quarter of an hour on two cores, and 20 GB of disk.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.common import Row, corpus, sibling, small_model
from benchmarks.merging import METHODS, mergekit_merge, molmix_merge, start

SHAPE = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32}
SHAPE |= {"num_key_value_heads": 8, "vocab_size": 128_256, "dtype": "bfloat16"}


def measure() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = small_model(folder, "base", corpus(400), 0, **SHAPE)
        for seed, model in enumerate(("one", "two")):
            sibling(base, model, seed)
        weights = str(base.parent / "weights")
        adapted = [f"{weights}+{folder / 'models' / model / 'adapter'}" for model in ("one", "two")]
        keep = ["--lora-merge-cache", str(folder / "mergekit" / "cache"), "--lora-merge-dtype", "float32"]
        for method in METHODS:
            a = _peak(molmix_merge(folder, method, "merged", "one", "two"))
            b = _peak(mergekit_merge(folder, method, "merged", *adapted, weights, *keep))
            what = f"memory of a merge at the shape of Llama-3.2-1B, {method.method}, at most"
            rows.append((what, a, f"{b} (mergekit-yaml)", "-", "-"))
    return rows


def _peak(command: list[str]) -> str:
    """GB of memory, and of those that are no pages of files, which the system can take back; and seconds."""
    begin = time.perf_counter()
    process = start(command)
    most = {"VmHWM": 0.0, "RssAnon": 0.0}
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            continue
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in most:
                most[name] = max(most[name], int(value.split()[0]) * 1024 / 1e9)
        time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = time.perf_counter() - begin
    return f"{most['VmHWM']:.1f} GB, {most['RssAnon']:.1f} GB without files, {seconds:.0f} s"
