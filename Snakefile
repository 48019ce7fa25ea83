# The study as one graph. `snakemake --cores all` runs config/config.yaml, `--configfile` another study instead.
# From another folder, as a module of another workflow, in a container: see docs/deployment.md and docs/containers.md.
import gc
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# A plan of a thousand models makes millions of objects and hardly any garbage. To look for garbage as often as Python
# does takes a tenth of its time.
gc.set_threshold(200_000, 20, 20)

# The library of this checkout is used: here, in every job, under conda environments, and as a module. A Snakefile
# without a checkout (a module from a URL, `pip install`) uses the installed library.
LIBRARY = Path(str(workflow.current_basedir)) / "src"
if LIBRARY.is_dir():
    sys.path.insert(0, str(LIBRARY))
    os.environ.update(PYTHONPATH=str(LIBRARY))


# Only `--software-deployment-method apptainer` reads this: every job runs in this image.
container: os.environ.get("MOLMIX_IMAGE", "molmix.sif")


include: "workflow/rules/common.smk"


# The first page of the report. A job that makes the report writes a page that says what the report covers.
report: os.environ.get("MOLMIX_ABOUT", "workflow/report/workflow.rst")


rule all:
    input:
        paths.tables(*products.main_tables),
        # and all other figures with it
        f"{R}/plots/cost.svg" if table else [],
        [file for name in study.ablations for file in paths.ablation(name)],


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


# Snakemake does not tell the options of its command here, so they are read from the command line.
if workflow.is_main_process and wants_current_results(sys.argv):
    refuse_stale_results()


# What Snakemake prints of a job is the message of its rule, or else its files and resources. For a cluster it prints
# these.
if workflow.nodes is not None:
    for one in workflow.rules:
        one.message = None


failed_jobs = FailedJobs(SHOWN_IN)


onstart:
    check_packages_and_keys()
    failed_jobs.collect()
    if serves(workflow, study.hardware) and (prefix := start_job_server()):
        shell.prefix(prefix)


onsuccess:
    for line in next_steps(paths, SHOWN_IN):
        logger.info(line)


onerror:
    failed_jobs.report()
