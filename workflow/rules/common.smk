# Needs: a config file (config/config.yaml, or the one that --configfile names).
# Makes: the checked config, the model table, and what the other files share: helpers for paths, and for what a job
#        needs of a cluster and which jobs go there as one.
import functools
import re

from snakemake.exceptions import WorkflowError

from molmix.config.schema import UNSEEN
from molmix.judges.decompose import PLAIN
from molmix.core.errors import MolmixError
from molmix.pipeline.plan.shapes import sizes
from molmix.models.sizes import pretrained
from molmix.pipeline.setup import ready, shut_out
from molmix.pipeline.model_table import RESERVED

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
HAS_GPU = study.hardware.gpus
BY_VLLM = study.generation.backend == "vllm"
DIGEST = study.digest()

# Tables that people are shown in the report, and what they are called there. Those of TRUST are made by the target `judge`.
TITLES = {
    "leaderboard": "Leaderboard",
    "comparisons": "Comparisons",
    "merges": "Merges",
    "alignments": "Alignments",
    "seeds": "Spread over seeds",
}
TRUST = {
    "judges": "Planted errors",
    "agreement": "Agreement of the judges",
    "audit": "Audit of the decomposers",
}

KEPT = table.kept(study.merge.keep_weights)
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


def corpus_of(model):
    """Where the corpus that a model is trained on lies, below the folder of the study's own."""
    name = table[model].settings.get("corpus")
    return f"corpora/{name}/" if name else ""


def pairs_of(model):
    """Folder of the preference pairs that a model is aligned with."""
    seen = table[model].settings["share"]
    share = "" if seen in (None, study.data.subset.fraction) else f"share-{seen}/"
    return f"{R}/preferences/{corpus_of(model)}{share}"


def ablation_files(name):
    """The tables and the figure of an ablation."""
    return [f"{R}/tables/ablation-{name}.{kind}" for kind in KINDS] + [
        f"{R}/plots/ablation-{name}.{kind}" for kind in ("svg", "png")
    ]


def env_of_models(by_vllm):
    """The environment of a job that runs models: vLLM brings a torch of its own."""
    return f"../../envs/{'vllm' if by_vllm else 'models'}.yaml"


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


def shown(name, ending, format):
    """A table's file, with what the report says of it; `{ablation}` in its name is a wildcard."""
    ablation = name.startswith("ablation-")
    return report(
        f"{R}/tables/{name}.{ending}",
        caption=f"../report/tables/{'ablation' if ablation else name}.rst",
        category=("Ablations" if ablation else "Judges" if name in TRUST else "Tables"),
        labels={"name": (TITLES | TRUST).get(name, name), "format": format},
    )


def data_file(name):
    """A table for programs."""
    return shown(name, "csv", "data (CSV)")


def grows(need):
    """A need of a job (memory, run time) that grows with each try, by itself. `need` may depend on the wildcards."""
    return lambda wildcards, attempt: attempt * (
        need(wildcards) if callable(need) else need
    )


def holds(least, need):
    """Memory of a job in MB: `least`, and what its model needs, in bytes and by the wildcards, where that is a lot."""
    return grows(lambda wildcards: least + need(wildcards) // 10**9 * 1000)


def to_load(stage, shape):
    """Bytes of a model's weights, in 16 bits for a GPU; 0 where its shape is not known."""
    width = 2 if getattr(HAS_GPU, stage) else 4
    return width * shape.parameters if shape else 0


def to_merge(shape):
    """Bytes that mergekit holds to merge two models, at most: by TIES some fifty for each number of the largest tensor
    (`python -m benchmarks merge_memory`), and a shard to be written.
    """
    return 50 * shape.largest + min(2 * 10**9, shape.stored) if shape else 0


@functools.cache
def shapes():
    """All models of the table by the number of their weights; looked up with the first job that asks."""
    return sizes(study, table).shapes


def shape_of(model):
    """A model of the table by the number of its weights; None where that is not known here."""
    return shapes()[model]


def shape_of_decomposer(name):
    """A decomposer that is a local language model, by the number of its weights; None for any other."""
    if name not in LOCAL_LLM:
        return None
    return pretrained(study.decomposers[name].id, study.decomposers[name].revision)


def gpus(stage, where=lambda wildcards: True):
    """What the jobs of a stage need where the config gives it GPUs: their number, their memory, and the profile's
    partition for such jobs. `where` says which of its jobs use them.
    """
    count, memory = getattr(HAS_GPU, stage), study.hardware.gpu_memory_gb
    if not count:
        return {}
    site = workflow.resource_settings.default_resources or {}
    partitions = {
        used: getattr(site.get(name), "raw", None)
        for used, name in {True: "gpu_partition", False: "slurm_partition"}.items()
    }
    return {
        "gpu": lambda wildcards: count if where(wildcards) else 0,
        "gpu_memory_mb": lambda wildcards: (
            round(1000 * memory) if memory and where(wildcards) else 0
        ),
        "slurm_partition": lambda wildcards: partitions[where(wildcards)],
    }


def cores(stage, otherwise=1):
    """CPU cores of a job: a few for each of its GPUs."""
    return 4 * getattr(HAS_GPU, stage) or otherwise


# One NLI job at a time: each adds to the pair store what the next one then finds there. Said here and not in a profile,
# as the Snakemake inside a cluster job reads none.
workflow.global_resources.setdefault("nli", 1)

# Jobs that a cluster runs as one. A job that fails takes its mates' outputs along, so what is costly is not among them,
# or lies in a store: captions as they are written, a language model's answers, NLI probabilities. Groups whose jobs
# hang together run them side by side, others one after the other (see docs/slurm.md).
LLM_UNITS = [
    name for name, spec in study.decomposers.items() if spec.backend not in PLAIN
]
VLLM_UNITS = [
    name for name, spec in study.decomposers.items() if spec.backend == "vllm"
]
# Where the judges need no GPU, all that follows from the captions, tables included, hangs together.
CHAIN = not HAS_GPU.nli
EXTERNAL_GROUP = "judge" if CHAIN else None
JUDGE_VALIDATION_GROUP = "judge_validation" if CHAIN and not LLM_UNITS else None
# What reads the hub runs beside Snakemake itself: nodes of a cluster are often without a network.
FROM_HUB = any(source.kind == "hub" for source in study.sources())
DATA_GROUP = None if FROM_HUB else "data"


def decompose_group(wildcards):
    if wildcards.units in LLM_UNITS:
        return None if HAS_GPU.decompose else "decompose"
    if wildcards.author == "reference":
        return DATA_GROUP
    if not CHAIN:
        return "decompose"
    return JUDGE_VALIDATION_GROUP if wildcards.author in RESERVED else "judge"


def nli_group(wildcards):
    if not CHAIN:
        return "nli"
    return JUDGE_VALIDATION_GROUP if wildcards.author in RESERVED else "judge"


def nli_minutes(wildcards):
    """Run time of an NLI job: its share, as the first one does the work of all, and those of a group add up."""
    made = JUDGES[wildcards.judge].nli in MADE_NLI
    return max(2 if made else 20, (120 if made else 1440) // (len(table) * len(JUDGES)))


wildcard_constraints:
    author=any_of([*table, *RESERVED]),
    model=any_of(table),
    judge=any_of(JUDGES),
    test=any_of(TESTS),
    direction="mol2cap|cap2mol",
    corpus=f"(corpora/({any_of(study.data.corpora)})/)?",
    share=f"(share-({any_of(map(str, study.shares()))})/)?",
