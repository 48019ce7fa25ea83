# Needs: a config file (config/config.yaml, or the one that --configfile names).
# Makes: the checked config `study` with its model table `table`, and what every other file uses: `paths`, `products`
#        (what the study makes), `needs` (what jobs ask for) and `groups`. They are explained in src/molmix/pipeline/.
import contextlib
import functools
import os
import sys

from snakemake.exceptions import WorkflowError

from molmix.config.schema import NO_RESULT_DEPENDS_ON
from molmix.core.errors import MolmixError
from molmix.data.prompts import chat_settings
from molmix.generation.engines import ENGINES
from molmix.pipeline.endings import FailedJobs, next_steps
from molmix.pipeline.groups import Groups
from molmix.pipeline.job_settings import (
    check_run,
    rules_with_wildcards,
    settings_by_job,
    wants_current_results,
)
from molmix.pipeline.job_server import serves, start_job_server
from molmix.pipeline.named import any_of, named
from molmix.pipeline.paths import (
    RESERVED,
    ATOMS_CACHE,
    CAPTIONS_CACHE,
    NLI_CACHE,
    VERDICTS_CACHE,
    Paths,
)
from molmix.pipeline.products import COMPARISONS, VALIDATION, Products
from molmix.pipeline.resources import JobResources, grows
from molmix.pipeline.setup import check_environment, deny_others_writing, ready

deny_others_writing()


@contextlib.contextmanager
def as_workflow_error():
    """Let Snakemake print an error of molmix as one message, without a traceback."""
    try:
        yield
    except MolmixError as error:
        raise WorkflowError(str(error)) from None


# A config file on the command line replaces the default one. With `configfile:` the entries of the default one would
# stay: Snakemake merges dictionaries.
if not workflow.overwrite_configfiles:

    configfile: Path(str(workflow.current_basedir)).parents[1] / "config/config.yaml"


with as_workflow_error():
    study, table = ready(
        config,
        [Path(path) for path in workflow.configfiles],
        read_files=workflow.is_main_process,
    )

products = Products(study, table)
paths = Paths(study, table, products)
# Snakemake knows the largest number of jobs that it sends to a cluster (`--jobs`, in a profile), in a dry run too.
groups = Groups(study, products, used=workflow.nodes is not None)
needs = JobResources(
    study,
    table,
    products,
    # The partitions of a cluster are in its profile.
    {
        name: getattr(
            (workflow.resource_settings.default_resources or {}).get(name), "raw", None
        )
        for name in ("gpu_partition", "slurm_partition")
    },
)
R, LOGS, BENCH = paths.results, paths.logs, paths.benchmarks
# Wildcards in the names of logs. Without a constraint of their own they get the long one of all names (see
# `any_of`), and Snakemake would read it for the log of each job.
MODEL, AUTHOR = "{model,.+}", "{author,.+}"
DIGEST = study.digest()
# The config file as a person names it in the folder of the run; empty if there are several.
CONFIGFILE = (
    os.path.relpath(workflow.configfiles[0]) if len(workflow.configfiles) == 1 else ""
)
# Put before paths that are printed. With `--directory` the command was given in another folder.
SHOWN_IN = Path.cwd() if workflow.overwrite_workdir else Path()


@functools.cache
def current_settings():
    """The settings that every result must have been made with."""
    return settings_by_job(rules, rules_with_wildcards(table, products))


@as_workflow_error()
def refuse_stale_results():
    """Stop if results are there that Snakemake takes for current, and that this config does not make."""
    check_run(paths, DIGEST, current_settings)


@as_workflow_error()
def check_packages_and_keys():
    """Stop before the first job if a package or a key is missing that a job needs here."""
    check_environment(study, products, workflow)


def made_by(wildcards, input):
    """:func:`current_settings` for jobs that make tables. Snakemake does not compare a parameter that uses `input`."""
    return current_settings()


def weights(*models):
    """Folders that are read to load models. Their age does not count: what they hold is in the manifests."""
    return [ancient(folder) for folder in paths.weights(*models)]


def environment(engine):
    """The environment of a job that generates with an engine."""
    return f"../../envs/{ENGINES[engine].environment}.yaml"


def judging_environment(*models):
    """The environment of a job that asks NLI models."""
    return f"../../envs/{products.judging_environment(models)}.yaml"


def rejecting_model(wildcards):
    """The model that writes the rejected texts of a job."""
    return products.rejecting_model(wildcards.direction, wildcards.author_folder)


def shown(name, ending, format):
    """A table's file, and how the report presents it. `{ablation}` in its name is a wildcard."""
    ablation = name.startswith("ablation-")
    return report(
        f"{R}/tables/{name}.{ending}",
        caption=f"../report/tables/{'ablation' if ablation else name}.rst",
        category=(
            "Ablations" if ablation else "Judges" if name in VALIDATION else "Tables"
        ),
        labels={"name": (COMPARISONS | VALIDATION).get(name, name), "format": format},
    )


def table_files(name):
    """A table in its three formats. The CSV file is for programs, and the report has it too."""
    return {
        "csv": shown(name, "csv", "data (CSV)"),
        "md": f"{R}/tables/{name}.md",
        "tex": f"{R}/tables/{name}.tex",
    }


def figure_files(name, caption, category, label):
    """A figure in its two formats, both in the report."""
    return {
        kind: report(
            f"{R}/plots/{name}.{kind}",
            caption=f"../report/{caption}.rst",
            category=category,
            labels={"name": label, "format": kind.upper()},
        )
        for kind in ("svg", "png")
    }


wildcard_constraints:
    author=any_of([*table, *RESERVED]),
    model=any_of(table),
    judge=any_of(products.judges),
    test=any_of(products.tests),
    direction="mol2cap|cap2mol",
    corpus=f"(corpora/({any_of(study.data.corpora)})/)?",
    author_folder=f"((by-({any_of(products.on_policy_starts)})|judged-({any_of(products.judged_pairs)}))/)?",
    share=f"(share-({any_of(map(str, study.shares()))})/)?",
