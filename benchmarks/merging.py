"""A merge as a whole process, start-up included, against `mergekit-yaml` on the same inputs."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.common import Row, corpus, in_turn, python, small_model
from molmix.merge.slerp import Slerp
from molmix.merge.ties import Ties

OURS = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from molmix.job import job
folder = Path(sys.argv[1])
one, two, base = (folder / "models" / name / "manifest.json" for name in ("one", "two", "base"))
with job(SimpleNamespace(threads=2, log=[str(folder / "log")], rule="merge")):
    from molmix.merge.run import merge
    merge(model_id="merged", parents=[one, two], base=base, out=folder / "models/merged", work=folder / "work",
          settings=json.loads(sys.argv[2]), seed=1)
"""


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder, pairs = Path(name), corpus(400)
        for seed, model in enumerate(("base", "one", "two")):
            small_model(folder, model, pairs, seed)
        return [_method(folder, method) for method in (Slerp(method="slerp"), Ties(method="ties"))]


def _method(folder: Path, method: Slerp | Ties) -> Row:
    weights = {model: str(folder / "models" / model / "weights") for model in ("base", "one", "two")}
    recipe = method.recipe((weights["one"], weights["two"]), weights["base"])
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"dtype": "float32"}))
    tool = Path(sys.executable).with_name("mergekit-yaml")
    settings = json.dumps(method.model_dump(by_alias=True))
    a, b = in_turn(
        lambda: python("-c", OURS, str(folder), settings),
        lambda: subprocess.run(
            [tool, str(folder / "recipe.yaml"), str(folder / "theirs")], check=True, capture_output=True
        ),
    )
    what = f"merge, {method.method}, demo size, start-up included"
    return (what, f"{a:.1f} s", f"{b:.1f} s (mergekit-yaml)", f"{a / b:.2f} x the time", "1.1 x")
