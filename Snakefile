# The study as one graph. `snakemake --cores all` runs config/config.yaml, `--configfile` another study instead.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# The library is found in this checkout, here and in every job, under conda environments too.
sys.path.insert(0, str(Path(workflow.basedir) / "src"))
os.environ.update(PYTHONPATH=str(Path(workflow.basedir) / "src"))


include: "workflow/rules/common.smk"


# The first page of the report; a report made by a job says there what it covers, and where that comes from.
report: os.environ.get("MOLMIX_ABOUT", "workflow/report/workflow.rst")


rule all:
    input:
        expand(
            f"{R}/tables/{{name}}.{{kind}}",
            name=["leaderboard", *COMPARED],
            kind=KINDS,
        ),
        f"{R}/plots/cost.svg",  # and all other figures with it
        [file for name in study.ablations for file in ablation_files(name)],


include: "workflow/rules/collect.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/captions.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/plots.smk"
include: "workflow/rules/explorer.smk"
include: "workflow/rules/judge_validation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/ablations.smk"
include: "workflow/rules/cards.smk"
