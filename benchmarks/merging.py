"""A merge as a whole process, start-up included, against `mergekit-yaml` on the same inputs."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.common import Row, corpus, in_turn, small_model
from molmix.merge.methods.slerp import Slerp
from molmix.merge.methods.ties import Ties

Method = Slerp | Ties
METHODS: tuple[Method, ...] = (Slerp(method="slerp"), Ties(method="ties"))

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
    with tempfile.TemporaryDirectory() as name:
        folder, pairs = Path(name), corpus(400)
        for seed, model in enumerate(("base", "one", "two")):
            small_model(folder, model, pairs, seed)
        return [_method(folder, method) for method in METHODS]


def _method(folder: Path, method: Method) -> Row:
    one, two, base = (str(folder / "models" / model / "weights") for model in ("one", "two", "base"))
    a, b = in_turn(
        lambda: quietly(molmix_merge(folder, method, "merged", "one", "two")),
        lambda: quietly(mergekit_merge(folder, method, "merged", one, two, base)),
    )
    what = f"merge, {method.method}, demo size, start-up included"
    return (what, f"{a:.1f} s", f"{b:.1f} s (mergekit-yaml)", f"{a / b:.2f} x the time", "1.1 x")


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
    return subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, **quiet)


def quietly(command: list[str]) -> None:
    """Run a merge to its end."""
    if code := start(command).wait():
        raise subprocess.CalledProcessError(code, command)
