"""Which environment each job would run in, where Snakemake is asked to make them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.graph.conftest import MICRO, ROOT

WRITERS = {"generate", "merge_and_generate", "reject"}


def environments(folder: Path, study: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Name of the environment file by rule and wildcards of every job of a plan."""
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
        return {
            (job.rule.name, "/".join(job.wildcards)): Path(str(job.conda_env_spec.file)).name
            for job in plan._workflow.dag.jobs
            if job.conda_env_spec
        }


@pytest.mark.parametrize("backend", ["hf", "vllm"])
def test_jobs_that_write_by_vllm_have_its_environment_and_no_others(backend, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = MICRO | {
        "generation": MICRO["generation"] | {"backend": backend},
        "decomposers": {
            "rules": {"backend": "rules"},
            "llm": {"backend": "vllm", "id": "some/model", "revision": "v1"},
        },
        "judges": {name: {"kind": "atomic", "decomposer": name} for name in ("rules", "llm")},
    }
    found = environments(tmp_path, study)
    assert {rule for rule, _ in found} >= WRITERS | {"decompose", "align", "merge", "nli", "fetch_decomposer"}
    for (rule, name), file in found.items():
        by_vllm = (rule in WRITERS and backend == "vllm") or (rule == "decompose" and name.startswith("llm/"))
        assert (file == "vllm.yaml") == by_vllm, (rule, name)
        assert (ROOT / "envs" / file).is_file()
