"""The jobs of a study, and whether Snakemake would run them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from molmix.core.errors import fault
from molmix.pipeline.paths import benchmark_of
from molmix.pipeline.setup import find_snakefile


@dataclass(frozen=True)
class Job:
    """One job of the graph.

    Attributes:
        rule: its rule, which is its stage.
        name: its wildcards without empty ones, such as ``atomic/trained``; empty if the rule has one job.
        outputs: files and folders that it makes.
        log: file that it writes while it runs.
        benchmark: file that the job writes when it has succeeded.
        needed: whether Snakemake would run it: an output is missing or outdated.
    """

    rule: str
    name: str
    outputs: tuple[str, ...]
    log: Path
    benchmark: Path
    needed: bool


def jobs(configfile: Path, targets: Sequence[str]) -> list[Job]:
    """The jobs of Snakemake's plan, ordered by stage. This only reads files, so a run may be in progress.

    Args:
        configfile: config file of the study.
        targets: rules or files, as for Snakemake; empty for the tables.

    Raises:
        MolmixError: there is no workflow, or Snakemake refuses the config or the targets.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        RerunTrigger,
        ResourceSettings,
    )

    snakefile = find_snakefile()
    silent = OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)
    with _records_read_only(), SnakemakeApi(silent) as api:
        try:
            plan = api.workflow(
                resource_settings=ResourceSettings(),
                config_settings=ConfigSettings(configfiles=[configfile]),
                snakefile=snakefile,
            )
            with redirect_stdout(StringIO()):  # the summary lists files and not jobs, so it is not shown
                # As in the profiles: changed code reruns nothing.
                triggers = frozenset(RerunTrigger.all() - {RerunTrigger.CODE})
                plan.dag(DAGSettings(targets=frozenset(targets), rerun_triggers=triggers)).summary()
        except (WorkflowError, RuleException) as error:
            raise fault(configfile, f"Snakemake makes no plan of it: {error}", "try snakemake -n") from None
        workflow = plan._workflow  # the public API does not list jobs
        order = {rule.name: number for number, rule in enumerate(workflow.rules)}
        found = [
            Job(
                job.rule.name,
                "/".join(filter(None, (str(part).strip("/") for part in job.wildcards))),
                tuple(map(str, job.output)),
                Path(str(job.log[0])),
                benchmark_of(Path(str(job.log[0]))),
                bool(workflow.dag.needrun(job)),
            )
            for job in workflow.dag.jobs
            if job.output  # targets such as `all` have no outputs
        ]
    return sorted(found, key=lambda job: (order[job.rule], job.name))


@contextmanager
def _records_read_only() -> Iterator[None]:
    """Let Snakemake read its records in ``.snakemake/``, and redirect the folders that it creates even for a plan."""
    import snakemake.workflow

    original = snakemake.workflow.FilePersistence
    with TemporaryDirectory(prefix="molmix-plan-") as name:
        for folder in ("metadata", "incomplete", "locks"):
            records = Path(".snakemake", folder).absolute()
            if records.is_dir():
                Path(name, folder).symlink_to(records)

        class ReadOnly(original):  # type: ignore[misc, valid-type]
            def __init__(self, **settings: Any) -> None:
                super().__init__(**settings | {"path": Path(name)})

        snakemake.workflow.FilePersistence = ReadOnly  # type: ignore[misc, assignment]
        try:
            yield
        finally:
            snakemake.workflow.FilePersistence = original  # type: ignore[misc]
