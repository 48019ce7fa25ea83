"""Which environment each job would run in, where Snakemake is asked to make them, and how much memory it asks for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import ROOT
from tests.graph.conftest import MICRO

WRITERS = {"generate", "merge_and_generate", "generate_rejected"}


def jobs(folder: Path, study: dict[str, Any]) -> list[Any]:
    """Snakemake's jobs of a plan."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
        plan = api.workflow(
            resource_settings=ResourceSettings(),
            config_settings=ConfigSettings(configfiles=[path]),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        plan.dag(DAGSettings()).summary()
        return list(plan._workflow.dag.jobs)


def environments(folder: Path, study: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Name of the environment file by rule and wildcards of every job of a plan."""
    return {
        (job.rule.name, "/".join(job.wildcards)): Path(str(job.conda_env_spec.file)).name
        for job in jobs(folder, study)
        if job.conda_env_spec
    }


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_jobs_that_write_by_vllm_have_its_environment_and_no_others(engine, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = MICRO | {
        "generation": MICRO["generation"] | {"engine": engine},
        "decomposers": {
            "rules": {"backend": "rules"},
            "llm": {"backend": "vllm", "id": "some/model", "revision": "v1"},
        },
        "judges": {name: {"kind": "atomic", "decomposer": name} for name in ("rules", "llm")},
    }
    found = environments(tmp_path, study)
    assert {rule for rule, _ in found} >= WRITERS | {"decompose", "align", "merge", "nli", "fetch_decomposer"}
    for (rule, name), file in found.items():
        by_vllm = (rule in WRITERS and engine == "vllm") or (rule == "decompose" and name.startswith("llm/"))
        assert (file == "vllm.yaml") == by_vllm, (rule, name)
        assert (ROOT / "envs" / file).is_file()


def test_jobs_ask_for_the_memory_of_the_model_they_load(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    asked: dict[str, set[int]] = {}
    for job in jobs(tmp_path, study):
        asked.setdefault(job.rule.name, set()).add(job.resources.get("mem_mb"))
    # 13.5 GB of weights in 16 bits; of MolT5-large 1.6, of Llama-3-8B 16.1.
    assert asked["align"] == asked["merge_and_generate"] == {16_000}
    assert asked["generate"] == {3_000, 4_000, 16_000} and asked["generate_rejected"] == {5_000}
    assert asked["decompose"] == {17_000} and asked["merge"] == {11_000}
    small = {job.rule.name: job.resources.get("mem_mb") for job in jobs(tmp_path, MICRO)}
    assert (small["align"], small["merge"], small["generate"], small["decompose"]) == (3_000, 3_000, 3_000, 1_000)
