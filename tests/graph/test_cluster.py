"""What would go to a cluster: short jobs as one, and the same studies with GPUs. (tests/slurm runs it.)"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from molmix.config import loading
from molmix.pipeline import model_table

PROFILE = ["--workflow-profile", str(Path(__file__).resolve().parents[2] / "profiles/slurm")]


def groups(output: str) -> dict[str, int]:
    """Jobs that are several of the graph's, by the group's name; each is printed once."""
    return dict(Counter(re.findall(r"Group job (\w+) \(", output)))


def test_short_jobs_go_as_one(micro: dict[str, Any], tmp_path: Path, snakemake) -> None:
    planned = snakemake(tmp_path, "-n", *PROFILE, "all", "judge", study=micro)
    assert planned.returncode == 0, planned.stdout
    models = len(model_table.build(loading.parse(micro)))
    assert groups(planned.stdout) == {"data": 1, "generate": -(-models // 4), "judge": 1, "judge_validation": 1}


def test_a_plan_for_this_machine_has_no_groups(micro: dict[str, Any], tmp_path: Path, snakemake) -> None:
    planned = snakemake(tmp_path, "-n", "all", "judge", study=micro)
    assert planned.returncode == 0, planned.stdout
    assert groups(planned.stdout) == {}


def test_jobs_with_gpus_go_apart_from_jobs_without(micro: dict[str, Any], tmp_path: Path, snakemake) -> None:
    micro["hardware"] = {"gpus": {"align": 2, "generate": 1, "nli": 1}}
    planned = snakemake(tmp_path, "-n", *PROFILE, "all", "judge", study=micro)
    assert planned.returncode == 0, planned.stdout
    models = len(model_table.build(loading.parse(micro)))
    (asked,) = set(re.findall(r"rule align:.*?resources: (.+?)\n", planned.stdout, re.DOTALL))
    assert {"slurm_partition=gpu", "gpu=2", "runtime=1440"} <= set(asked.split(", ")) and "mem_mb=" in asked
    batches = {"decompose": -(-(models + 2) // 16), "nli": -(-(models + 2) // 16)}
    assert groups(planned.stdout) == {"data": 1, "generate": -(-models // 4), "judge": 1} | batches


def test_a_corpus_from_the_hub_goes_with_no_other_job(micro: dict[str, Any], tmp_path: Path, snakemake) -> None:
    micro["data"]["train"] = {"kind": "hub", "id": "some/corpus", "revision": "v1", "split": "train"}
    micro["nli"] = {"embedded": {"kind": "pretrained", "id": "some/nli", "revision": "v1"}}
    planned = snakemake(tmp_path, "-n", *PROFILE, study=micro)
    assert planned.returncode == 0, planned.stdout
    assert "data" not in groups(planned.stdout)
