"""A merge, start-up included, against `mergekit-yaml` on the same inputs: as a process of its own, and as a local run
starts it, by a job server that has imported the libraries.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import yaml

from benchmarks.common import Row, corpus, in_turn, small_model
from molmix.merge.methods.slerp import Slerp
from molmix.merge.methods.ties import Ties
from molmix.pipeline.job_server import CLIENT, listen

Method = Slerp | Ties
OFFLINE = {"HF_HUB_OFFLINE": "1"}
METHODS: tuple[Method, ...] = (Slerp(method="slerp"), Ties(method="ties", weights=[1.0, 1.0]))

# As workflow/scripts/merge.py, below Snakemake.
MOLMIX_MERGE = """
import json, os, sys
from pathlib import Path
from types import SimpleNamespace
from molmix.pipeline.job import job
folder, threads, out, first, second, base, settings = sys.argv[1:]
os.chdir(folder)
models, log = Path(folder, "models"), Path("logs", "benchmark", f"{out}.log")
own = {"rule": "merge", "wildcards": {}, "params": {}}
with job(SimpleNamespace(threads=int(threads), log=[log], input=[], resources={}, **own)):
    from molmix.merge.merging import merge
    merge(model_id=out, parents=[models / first / "manifest.json", models / second / "manifest.json"],
          base=models / base / "manifest.json", out=models / out, work=Path(folder, "work", out),
          settings=json.loads(settings), seed=1)
"""


def measure() -> list[Row]:
    os.environ |= OFFLINE  # the server runs only jobs that have its own settings of the hub
    server = listen()
    with tempfile.TemporaryDirectory() as name:
        folder, pairs = Path(name), corpus(400)
        for seed, model in enumerate(("base", "one", "two")):
            small_model(folder, model, pairs, seed)
        return [row for method in METHODS for row in _method(folder, method, server)]


def _method(folder: Path, method: Method, server: Path) -> list[Row]:
    one, two, base = (str(folder / "models" / model / "weights") for model in ("one", "two", "base"))
    alone = molmix_merge(folder, method, "merged", "one", "two")
    script = folder / "benchmark.merge.py"  # under the name of a script that the server runs
    script.write_text(f"import sys\nsys.argv = {['', *alone[3:]]!r}\n{MOLMIX_MERGE}")
    served = [sys.executable, "-I", "-S", str(CLIENT), str(server), sys.executable, str(script)]
    quietly(served)  # the first job waits for the imports
    by_mergekit = mergekit_merge(folder, method, "merged", one, two, base)
    *own, b = in_turn(*(partial(quietly, command) for command in (alone, served, by_mergekit)))
    rows = []
    for a, how in zip(own, ("as a process", "by the job server"), strict=True):
        what = f"merge, {method.method}, demo size, start-up included, {how}"
        rows.append((what, f"{a:.1f} s", f"{b:.1f} s (mergekit-yaml)", f"{a / b:.2f} x the time", "0.5 x"))
    return rows


def molmix_merge(folder: Path, method: Method, out: str, first: str, second: str, threads: int = 2) -> list[str]:
    """The command that merges two models of `folder/models`, whose base is `base`, into a third, `out`."""
    settings = json.dumps(method.model_dump(by_alias=True))
    return [sys.executable, "-c", MOLMIX_MERGE, str(folder), str(threads), out, first, second, "base", settings]


def mergekit_merge(
    folder: Path, method: Method, out: str, first: str, second: str, base: str, *options: str
) -> list[str]:
    """The command that has mergekit make the same of `path` or `path+adapter`, in `folder/mergekit`."""
    work = folder / "mergekit" / out
    work.mkdir(parents=True, exist_ok=True)
    recipe, dtype = method.recipe((first, second), base), json.loads(Path(base, "config.json").read_text())["dtype"]
    (work / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"dtype": "float32", "out_dtype": dtype}))
    tool = Path(sys.executable).with_name("mergekit-yaml")
    return [str(tool), str(work / "recipe.yaml"), str(work), "--quiet", *options]


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Begin a merge; neither side asks the hub."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=os.environ | OFFLINE, **quiet)


def quietly(command: list[str]) -> None:
    """Run a merge to its end."""
    if code := start(command).wait():
        raise subprocess.CalledProcessError(code, command)
