"""Set-up of a study before any job starts: checks the config, builds the model table and reads the data files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from molmix.config.files import check_files
from molmix.config.loading import parse, read_yaml
from molmix.config.schema import Config
from molmix.core.errors import fault
from molmix.core.schema import Section
from molmix.core.tracking import check_trackers
from molmix.models.endpoint import ServerSettings
from molmix.pipeline import model_table
from molmix.pipeline.products import Products


def ready(content: dict[str, Any], files: Sequence[Path], *, read_files: bool) -> tuple[Config, model_table.ModelTable]:
    """Check everything that can be checked before a job starts.

    Args:
        content: the config that Snakemake combined from one or several files and from ``--config``.
        files: the config files.
        read_files: whether to read the data files too. Jobs parse the workflow again and do not need this.

    Raises:
        MolmixError: something is wrong; the message has the key or file, the value, and what to do.
    """
    for path in files:
        read_yaml(path)  # refuses a key that is given twice, which Snakemake's own reader accepts
    config = parse(content, ", ".join(map(str, files)) or "--config", announce=read_files)
    models = model_table.build(config)
    if read_files:
        if len(models) > model_table.MANY:
            print(f"molmix: {models.expansion()}", file=sys.stderr)
        check_files(config)
        check_trackers(config.tracking.to)
    return config, models


def check_environment(study: Config, products: Products, workflow: Any) -> None:
    """Check that the jobs of a run find their packages and the keys of servers, before the first one starts.

    Jobs that are sent to a cluster find their own environment. So do jobs in conda environments and containers, which
    get the variables of this one only.

    Args:
        study, products: of the run.
        workflow: Snakemake's, when it is about to run jobs.

    Raises:
        MolmixError: a package or a key is missing.
    """
    if not workflow.local_exec or workflow.touch:
        return
    used: dict[str, Section] = {}
    for job in workflow.dag.needrun_jobs():
        used |= _sections_of(study, products, job.rule.name, job.wildcards_dict)
    for key, section in used.items():
        if isinstance(section, ServerSettings):
            section.check_key(key)
        elif not workflow.deployment_settings.deployment_method:
            section.check_installed(key)  # type: ignore[attr-defined]


def _sections_of(study: Config, products: Products, rule: str, wildcards: Mapping[str, str]) -> dict[str, Section]:
    """The parts of the config, by key, that say which packages and keys a job needs."""
    used: dict[str, Section] = {}
    nli: list[str] = []
    match rule, wildcards:
        case (("generate" | "generate_rejected" | "merge_and_generate" | "sample_pairs"), _):
            used["generation"] = study.generation
        case "ask_endpoint", {"model": model}:
            used[f"initial.{model}"] = study.initial[model]
        case "decompose", {"units": units} if units in study.decomposers:
            used[f"decomposers.{units}"] = study.decomposers[units]
        case "verdicts", {"judge": judge}:
            own = study.judges[judge]
            used |= {f"judges.{judge}": own} if isinstance(own, ServerSettings) else {}
        case (("nli" | "judge_licence"), {"judge": judge}):
            nli = [products.nli_judges[judge].nli]
        case (("align" | "align_fully"), {"model": model}):
            name = products.table[model].method
            used[f"align.{name}"], nli = study.align[name], products.scoring_nli(model)
        case "search_weights", {"model": model}:
            nli = products.scoring_nli(model)
    return used | {f"nli.{name}": study.nli[name] for name in nli}


def find_snakefile() -> Path:
    """The Snakefile of the checkout that contains this library, or the one that `pip install` installed with it.

    Raises:
        MolmixError: there is no Snakefile.
    """
    checkout = Path(__file__).resolve().parents[3] / "Snakefile"
    if checkout.exists():
        return checkout
    from importlib.metadata import PackageNotFoundError, distribution

    with suppress(PackageNotFoundError):
        for file in distribution("molmix").files or ():
            if file.parts[-3:] == ("share", "molmix", "Snakefile"):
                return Path(str(file.locate())).resolve()
    raise fault(checkout, "is not there", "install molmix from its checkout, which holds the workflow")


def deny_others_writing() -> None:
    """Allow only the owner and the group to write into a run, with any umask of the shell.

    Every job does this too, because it parses the workflow.
    """
    os.umask(os.umask(0o022) | stat.S_IWOTH)
    # Snakemake makes these folders before it reads the workflow. The first one contains the scripts of jobs.
    folder = Path(".snakemake")
    for path in [folder, folder / "log", *folder.glob("log/*")]:
        with suppress(OSError):  # it does not exist, or belongs to someone else
            if (mode := path.stat().st_mode) & stat.S_IWOTH:
                path.chmod(stat.S_IMODE(mode) & ~stat.S_IWOTH)
