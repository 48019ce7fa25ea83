"""What the graph itself costs: a plan of the largest shipped config, and a run with nothing to do."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.common import Row, in_turn
from molmix.config import loading
from molmix.pipeline import model_table

ROOT = Path(__file__).resolve().parents[1]


def measure() -> list[Row]:
    sizes = {path: len(model_table.build(loading.load(path))) for path in sorted((ROOT / "config").glob("*.yaml"))}
    largest = max(sizes, key=lambda path: sizes[path])
    what = f"snakemake -n, {largest.name} ({sizes[largest]} models)"
    plan = partial(_snakemake, "-n", "--configfile", str(largest))
    rows = [(what, f"{in_turn(plan)[0]:.1f} s", "-", "-", "5 s")]
    what = "the demo again, nothing to do"
    if b"Nothing to be done" in _snakemake("-n").stdout:
        return [*rows, (what, f"{in_turn(_snakemake)[0]:.1f} s", "-", "-", "1.8 s")]
    return [*rows, (f"{what}: not measured, there is no finished demo (make demo)", "-", "-", "-", "-")]


def _snakemake(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
