"""Every script asks for inputs, outputs and parameters that its rule gives it."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import ROOT
from tests.graph.conftest import MICRO

# How scripts call the three.
GIVEN = {"input": r"(?:snakemake\.input|\bfiles)", "output": r"(?:snakemake\.output|\bout)", "params": r"\bparams"}
METHODS = {"get", "items"}
OPTIONAL = {"text2mol", "texts"}  # files that neither of the two studies has
ABLATION = {"title": "t", "factor": "f", "baseline": "a", "arms": {"a": "mol2cap", "b": "mol2cap.sft"}}


def jobs(folder: Path, study: dict[str, Any], targets: Iterable[str]) -> list[Any]:
    """Snakemake's jobs of some targets."""
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
        plan.dag(DAGSettings(targets=frozenset(targets))).summary()
        return list(plan._workflow.dag.jobs)


def test_scripts_ask_for_what_their_rules_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/example").symlink_to(ROOT / "config/example")
    study = MICRO | {"ablations": {"one": ABLATION}, "push": {"repository": "me/{model}"}}
    phases = ["all", "judge", "report"]
    found = jobs(tmp_path, study, [*phases, "report_so_far", "cards", "push"])
    found += jobs(tmp_path, yaml.safe_load((ROOT / "config/score.yaml").read_text()), phases)
    given: dict[tuple[str, str, str], set[str]] = {}
    for job in found:
        if job.rule.script:
            for what in GIVEN:
                names = {name for name, _ in getattr(job, what).items()}
                given.setdefault((job.rule.name, Path(str(job.rule.script)).name, what), set()).update(names)
    assert {"align", "card", "push_model", "compare_arms", "report", "join_external"} <= {rule for rule, *_ in given}
    for (rule, script, what), names in given.items():
        text = (ROOT / "workflow/scripts" / script).read_text()
        asked = set(re.findall(rf"{GIVEN[what]}\.(\w+)", text)) - METHODS
        kinds = set(re.findall(rf"nested\({GIVEN[what]}, \"(\w+)\"\)", text)) - OPTIONAL
        assert asked <= names, (rule, what)
        assert kinds <= {name.partition("/")[0] for name in names}, (rule, what)


def test_no_rule_has_a_benchmark_by_snakemake() -> None:
    """Jobs measure themselves (`molmix.pipeline.job`); Snakemake would overwrite what they wrote."""
    rules = [path for path in (ROOT / "workflow/rules").glob("*.smk") if "benchmark:" in path.read_text()]
    assert rules == []
