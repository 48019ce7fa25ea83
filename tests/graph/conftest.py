"""Running the real graph, in a folder of the test's own."""

import copy
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import SNAKEFILE, run_command

# The whole graph at the smallest size that still goes through every stage: every alignment method, every merge,
# both orders, both directions. Its models learn next to nothing.
MICRO: dict[str, Any] = {
    "run": "micro",
    "data": {
        "train": {"kind": "demo", "split": "train"},
        "validation": {"kind": "demo", "split": "validation"},
        "tests": {
            "id": {"source": {"kind": "demo", "split": "id"}, "rows": 8},
            "back": {"source": {"kind": "demo", "split": "ood"}, "rows": 6, "direction": "cap2mol"},
        },
        "subset": {"fraction": 0.15},
    },
    "world": {"molecules": 300},
    "initial": {
        "agnostic": {"kind": "made", "task": "unpaired", "hidden_size": 32, "layers": 2, "heads": 2},
        "mol2cap": {"kind": "made", "parent": "agnostic", "task": "mol2cap"},
        "cap2mol": {"kind": "made", "parent": "agnostic", "task": "cap2mol"},
    },
    "universal": {"both": {"parents": ["mol2cap", "cap2mol"], "base": "agnostic"}},
    "preferences": {
        "rejected": {
            "mol2cap": {"kind": "model", "model": "mol2cap"},
            "cap2mol": {"kind": "model", "model": "cap2mol"},
        }
    },
    "align": {
        "sft": {"method": "sft", "starts": ["mol2cap"], "lora": {"r": 4}},
        "dpo": {"method": "dpo", "starts": ["mol2cap"], "lora": {"r": 4}},
        "cpo": {"method": "cpo", "starts": ["both.slerp"], "lora": {"r": 4}},
        "kto": {"method": "kto", "starts": ["both.slerp"], "lora": {"r": 4}},
    },
    "merge": {
        "starts": ["mol2cap"],
        "methods": {"slerp": {"method": "slerp"}, "ties": {"method": "ties"}, "linear": {"method": "linear"}},
    },
    "generation": {"max_new_tokens": 24},
    "nli": {"embedded": {"kind": "made", "pairs": 1000, "epochs": 0.5, "min_accuracy": 0.0}},
    "judge_validation": {"molecules": 6, "doses": [1]},
    "statistics": {"resamples": 100},
}


@pytest.fixture(scope="module")
def micro() -> dict[str, Any]:
    """The micro study, a copy for each file of tests."""
    return copy.deepcopy(MICRO)


def one_direction(study: dict[str, Any]) -> dict[str, Any]:
    """A copy of a study without what generates molecules, for tests that look at captions only."""
    study = copy.deepcopy(study)
    del study["data"]["tests"]["back"], study["initial"]["cap2mol"], study["preferences"]["rejected"]["cap2mol"]
    return study | {"universal": {}}


@pytest.fixture(scope="session")
def snakemake(job_server: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Snakemake on this workflow in a folder, as a user would; returns its status and all it printed."""

    def run(folder: Path, *arguments: str, study: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        if study is not None:
            (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
            arguments = (*arguments, "--configfile", "study.yaml")
        command = (*SNAKEFILE, "--cores", "2", *arguments)
        return run_command("snakemake", *command, folder=folder, environment=os.environ | job_server)

    return run
