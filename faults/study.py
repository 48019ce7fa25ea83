"""The study that is disturbed, and how it is run: as a user would, by Snakemake's command line."""

import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO, Any

import yaml

from molmix.core.files import read_table
from molmix.pipeline.job_server import SOCKET, listen

ROOT = Path(__file__).resolve().parents[1]
FULL = ("all", "judge", "explorer", "cards", "results/faults/nli_models/copied/manifest.json")
# Seconds after which a command counts as hung: each takes some seconds, on a machine that does nothing else.
LIMIT = 1200

# As few jobs as go through every stage. Its models learn next to nothing.
MADE_HERE: dict[str, Any] = {
    "run": "faults",
    "data": {
        "train": {"kind": "demo", "split": "train"},
        "validation": {"kind": "demo", "split": "validation"},
        "tests": {"id": {"source": {"kind": "demo", "split": "id"}, "rows": 8}},
        "subset": {"fraction": 0.15},
    },
    "world": {"molecules": 300},
    "initial": {
        "agnostic": {"kind": "made", "task": "unpaired", "hidden_size": 32, "layers": 2, "heads": 2},
        "mol2cap": {"kind": "made", "parent": "agnostic", "task": "mol2cap"},
    },
    "preferences": {"rejected": {"mol2cap": {"kind": "model", "model": "mol2cap"}}},
    "align": {
        "sft": {"method": "sft", "starts": ["mol2cap"], "lora": {"r": 4}},
        "dpo": {"method": "dpo", "starts": ["mol2cap"], "lora": {"r": 4}},
    },
    "merge": {"starts": ["mol2cap"], "methods": {"slerp": {"method": "slerp"}}},
    "generation": {"max_new_tokens": 24},
    "nli": {"embedded": {"kind": "made", "pairs": 1000, "epochs": 0.5, "min_accuracy": 0.0}},
    "judge_validation": {"molecules": 6, "doses": [1]},
    "statistics": {"resamples": 100},
}
# The same with local models, captions of another system and an ablation. `make_local_files` makes the files.
STUDY = MADE_HERE | {
    "initial": MADE_HERE["initial"] | {"copied": {"kind": "pretrained", "id": "local/model"}},
    "nli": MADE_HERE["nli"] | {"copied": {"kind": "pretrained", "id": "local/nli"}},
    "systems": [{"name": "other", "predictions": {"id": {"path": "local/captions.jsonl", "id": "id"}}}],
    "ablations": {
        "loss": {
            "title": "Loss",
            "factor": "loss",
            "baseline": "sft",
            "arms": {"sft": "mol2cap.sft", "dpo": "mol2cap.dpo"},
        }
    },
}


def make_local_files(source: Path, folder: Path) -> str:
    """Put into ``folder/local`` what `STUDY` reads: a language model, an NLI model, and captions.

    Args:
        source: folder for the run that makes them, as results of `MADE_HERE`.
        folder: of the study.

    Returns:
        What was printed if the run failed; else nothing.
    """
    results, local = source / "results/faults", folder / "local"
    if (local / "captions.jsonl").exists():
        return ""
    source.mkdir(parents=True, exist_ok=True)
    targets = ("models/mol2cap/manifest.json", "nli_models/embedded/manifest.json")
    status, said = run(source, *(f"results/faults/{name}" for name in targets), study=MADE_HERE)
    if status != 0:
        return said
    local.mkdir(parents=True, exist_ok=True)
    for name, weights in (("model", "models/mol2cap/weights"), ("nli", "nli_models/embedded/weights")):
        # A manifest names where the weights are: links, so that this is one path for the copies of the study, too.
        (local / name).unlink(missing_ok=True)
        (local / name).symlink_to(results / weights)
    rows = read_table(results / "data/tests/id.parquet").to_pylist()
    lines = [json.dumps({"id": row["id"], "caption": row["references"][0]}) + "\n" for row in rows]
    (local / "captions.jsonl").write_text("".join(lines), encoding="utf-8")
    return ""


def snakemake(
    folder: Path, *arguments: str, study: dict[str, Any] = STUDY, out: IO[str] | int = subprocess.PIPE, **more: Any
) -> subprocess.Popen:
    """Start Snakemake on the study in a folder, as the leader of a session of its own, with SIGINT as at a terminal."""
    # What runs in the background of a script ignores SIGINT, and what it starts would too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "study.yaml"]
    return subprocess.Popen(
        [*command, "--cores", "2", *arguments],
        cwd=folder,
        text=True,
        stdout=out,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **more,
    )


def finished(process: subprocess.Popen) -> tuple[int | None, str]:
    """Exit status and output of a run; the status is None if it had to be ended because it hung."""
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return None, said or ""
    return process.returncode, said or ""


def run(folder: Path, *arguments: str, study: dict[str, Any] = STUDY) -> tuple[int | None, str]:
    """Run Snakemake to its end; see :func:`finished`. Runs that nothing disturbs share one job server."""
    return finished(snakemake(folder, *arguments, study=study, env=os.environ | {SOCKET: str(_job_server())}))


@cache
def _job_server() -> Path:
    return listen()
