# Needs: a config file (config/config.yaml, or the one that --configfile names).
# Makes: the checked config, the model table, and the few path helpers that the other files share.
import hashlib
import re

from snakemake.exceptions import WorkflowError

from molmix.errors import MolmixError
from molmix.study import ready, shut_out
from molmix.table import RESERVED

shut_out()


# A config file given on the command line replaces the default one whole: `configfile:` would let entries of the
# default live on under it (dicts are merged deeply).
if not workflow.overwrite_configfiles:

    configfile: Path(workflow.basedir) / "config/config.yaml"


try:
    study, table = ready(
        config,
        [Path(path) for path in workflow.configfiles],
        read_files=workflow.is_main_process,
    )
except MolmixError as error:
    raise WorkflowError(str(error)) from None

R = f"results/{study.run}"
LOGS = f"logs/{study.run}"
BENCH = f"{R}/benchmarks"
TESTS = list(study.data.tests)
DIRECTIONS = {name: test.direction for name, test in study.data.tests.items()}
# Judges read captions: test sets of the other direction have molecules for answers.
JUDGED = [
    name for name, test in study.data.tests.items() if test.direction == "mol2cap"
]
JUDGES = study.judges if JUDGED else {}
MADE_NLI = [name for name, model in study.nli.items() if model.kind == "made"]

# Tables that compare models: those that the study has something for.
KINDS = ["csv", "md", "tex"]
COMPARED = ["comparisons"] + [
    name
    for name, has_any in {
        "merges": table.of_kind("merged"),
        "alignments": table.of_kind("aligned"),
        "seeds": len(study.seeds) > 1 and table.of_kind("aligned"),
    }.items()
    if has_any
]
DIGEST = hashlib.sha256(study.model_dump_json().encode()).hexdigest()[:16]

# Merges whose weights are kept: those that other models start from, or all of them where the config says so.
STARTS = {row.parents[0] for row in table.values() if row.kind == "aligned"}
KEPT = [
    model
    for model in table.of_kind("merged")
    if study.merge.keep_weights or model in STARTS
]
PASSING = [model for model in table.of_kind("merged") if model not in KEPT]


def any_of(names):
    """A wildcard constraint that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


def manifest(model):
    return f"{R}/models/{model}/manifest.json"


def weights(model):
    """Folders that loading a model reads. Depending on their age would rerun whatever follows a restored
    temporary folder; what they hold is in the manifests, so only their being there counts.
    """
    return [
        ancient(
            f"{R}/models/{row}/{'adapter' if table[row].kind == 'aligned' else 'weights'}"
        )
        for row in table.lineage(model)
        if table[row].method != "pretrained"
    ]


def merge_parents(wildcards):
    return [manifest(parent) for parent in table[wildcards.model].parents]


def merge_weights(wildcards):
    row = table[wildcards.model]
    return [
        folder
        for parent in dict.fromkeys([*row.parents, row.base])
        for folder in weights(parent)
    ]


def nli_model(name):
    """What loading an NLI model reads: its manifest, and its weights where they were made here."""
    folder = f"{R}/nli_models/{name}"
    return [f"{folder}/manifest.json"] + (
        [ancient(f"{folder}/weights")] if name in MADE_NLI else []
    )


def captions(author):
    """Where an author's captions are."""
    return {
        "reference": f"{R}/data/tests",
        "planted-reference": f"{R}/data/planted",
    }.get(author, f"{R}/predictions/{author}")


def atoms(units, author):
    """Units of an author's captions, a file a test set."""
    return [f"{R}/atoms/{units}/{author}/{test}.parquet" for test in JUDGED]


def reference_of(author):
    """Who is judged against whom."""
    return "planted-reference" if author == "planted" else "reference"


wildcard_constraints:
    author=any_of([*table, *RESERVED]),
    model=any_of(table),
    judge=any_of(JUDGES),
    test=any_of(TESTS),
    direction="mol2cap|cap2mol",
