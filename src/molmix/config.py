"""The study's configuration: one typed schema that everything else is made from.

The documented default file, the JSON schema for editors and the key reference in ``docs/`` are generated from
these classes (see :mod:`molmix.config_docs`). Unknown keys are refused, and every refusal names the key, the
value, the file and the mend. Importing this module is cheap: the Snakefile does it on every parse.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from molmix.align import METHODS
from molmix.decompose import Decomposer, LocalSettings, RulesSettings
from molmix.errors import MolmixError, fault, quoted
from molmix.judges import Atomic, Judge
from molmix.merge import MergeMethod
from molmix.metrics.settings import PropertySettings, Text2MolSettings
from molmix.refusals import explain
from molmix.schema import Count, FilePath, Name, Revision, Section, Share, Size
from molmix.tracking import TRACKERS

Direction = Literal["mol2cap", "cap2mol"]
OneGpu = Annotated[int, Field(ge=0, le=1)]
UNSEEN = {"hardware", "tracking", "push"}  # sections that no result depends on
# Keys with `exclude_if` came later than others. Dumped settings name caches and rerun jobs: where such a key has its
# default it is left out, and older results stay what they are.


# ---- data -----------------------------------------------------------------------------------------------------


class Columns(Section):
    """Which columns of a source hold what."""

    molecule: str | None = Field(
        "molecule",
        description="column of the SMILES (of the source text under `domain: text`); null for references without one",
    )
    caption: str = Field("caption", description="column of the caption (of the target text under `domain: text`)")
    id: str | None = Field(None, description="column of a unique row id; null numbers the rows")
    properties: str | None = Field(None, description="column of a list of properties, for `strategy: stratified`")

    def mapping(self) -> dict[str, str]:
        """Our name of each column that is there, with the name in the source."""
        return {ours: theirs for ours, theirs in self.model_dump().items() if theirs is not None}


class DemoSource(Section):
    """Rows of the embedded world (see `world`)."""

    kind: Literal["demo"]
    split: Literal["train", "validation", "id", "ood", "long"] = Field(
        description="part of the embedded world; `id` holds scaffolds seen in training, `ood` unseen ones, `long` the "
        "molecules of `id` with captions of 100 words and more. Under `domain: text` the world is one of the weather"
    )


class TableFile(Section):
    """A local table of text."""

    path: FilePath = Field(
        description="TSV, CSV, JSONL or Parquet file, or `.txt` with one caption a line; gzipped or not, relative to "
        "the working folder"
    )
    format: Literal["auto", "tsv", "csv", "jsonl", "parquet", "lines"] = Field(
        "auto", description="`auto` goes by the file's ending"
    )
    quoting: Literal["minimal", "none"] = Field(
        "minimal",
        description='how TSV and CSV quote: `none` takes a bare `"` as text (ChEBI-20 as published)',
    )


class FileSource(TableFile):
    """A local table of molecules and captions."""

    kind: Literal["file"]
    columns: Columns = Field(Columns(), description="column mapping")

    def mapping(self) -> dict[str, str]:
        """Our name of each column that is read, with the name in the file."""
        return self.columns.mapping()


class HubSource(Section):
    """A datasets id on the Hugging Face hub, at a pinned revision."""

    kind: Literal["hub"]
    id: str = Field(description="dataset id on the hub")
    revision: Revision = Field(description="commit hash or tag; pinned so that a rerun reads the same rows")
    split: str = Field(description="split of the data set")
    config: str | None = Field(None, description="configuration name of the data set, where it has several")
    columns: Columns = Field(Columns(), description="column mapping")

    def mapping(self) -> dict[str, str]:
        """Our name of each column that is read, with the name in the data set."""
        return self.columns.mapping()


Source = Annotated[DemoSource | FileSource | HubSource, Field(discriminator="kind")]


class TestSet(Section):
    """A named set that models are measured on."""

    source: Source = Field(description="where the rows come from")
    direction: Direction = Field("mol2cap", description="what is asked of the models: a caption or a molecule")
    min_words: Count = Field(1, description="keep captions of so many words only: 100 tests the judge on long ones")
    rows: Count | None = Field(None, description="keep this many molecules, drawn with the seed; null keeps all")


class Subset(Section):
    """The share of the training split that alignment sees."""

    fraction: Share = Field(0.1, description="share of the training molecules, above 0 and up to 1")
    strategy: Literal["random", "stratified", "scaffold"] = Field(
        "random",
        description="`stratified` keeps the shares of the properties, `scaffold` draws whole scaffolds",
    )


class Data(Section):
    """Corpus, splits and test sets."""

    train: Source | None = Field(
        None,
        description="training split: initial models made in the graph see all of it; null where nothing is trained",
    )
    validation: Source | None = Field(None, description="validation split; null holds out 5 % of the subset")
    corpora: dict[Name, Source] = Field(
        {},
        exclude_if=lambda corpora: not corpora,
        description="further training corpora by name, for `initial.<name>.corpus` and `align.<name>.corpus`; each is "
        "cleaned and subset as `train` is, and 5 % of its subset are held out",
    )
    tests: dict[Name, TestSet] = Field(min_length=1, description="any number of named test sets")
    subset: Subset = Field(Subset(), description="what alignment sees of the training split")
    unparsable: Literal["drop", "keep"] = Field(
        "drop", description="what to do with rows whose SMILES RDKit cannot read; they are counted either way"
    )


class World(Section):
    """Size of the embedded world, read when a source is of kind `demo`."""

    molecules: Annotated[int, Field(ge=200, le=8000)] = Field(
        4000, description="distinct molecules to build; records of the weather under `domain: text`"
    )


# ---- models ---------------------------------------------------------------------------------------------------


class Prompts(Section):
    """Prompt templates; the answer follows the prompt after one space."""

    mol2cap: str = Field("Molecule: {molecule}\nCaption:", description="holds {molecule} once")
    cap2mol: str = Field("Caption: {caption}\nMolecule:", description="holds {caption} once")

    @model_validator(mode="after")
    def _slots(self) -> Prompts:
        for key, slot in (("mol2cap", "{molecule}"), ("cap2mol", "{caption}")):
            if getattr(self, key).count(slot) != 1:
                raise ValueError(f"prompt template {key} must hold {slot} exactly once")
        return self


class HubModel(Section):
    """A model on the hub or in a local folder."""

    kind: Literal["pretrained"]
    id: str = Field(description="hub id or local folder (safetensors)")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    prompts: Prompts | None = Field(
        None,
        description="templates that it was tuned with, where they are not the study's; what is aligned from it goes by "
        "the study's",
    )


class MadeModel(Section):
    """A small Llama trained in the graph."""

    kind: Literal["made"]
    parent: Name | None = Field(None, description="initial model to go on from; null starts from random weights")
    task: Literal["unpaired", "mol2cap", "cap2mol"] = Field(
        description="`unpaired` sees molecules and captions but never which belongs to which"
    )
    corpus: Name | None = Field(
        None,
        exclude_if=lambda corpus: corpus is None,
        description="one of `data.corpora`; null is `data.train`",
    )
    epochs: Annotated[float, Field(gt=0, le=10_000)] = Field(1.0, description="passes over the training split")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1.5e-3, description="peak, cosine to 0 after warm-up")
    batch_size: Count = Field(16, description="rows a step")
    hidden_size: Size = Field(128, description="width; read where `parent` is null")
    layers: Size = Field(4, description="depth; read where `parent` is null")
    heads: Size = Field(4, description="attention heads; read where `parent` is null")
    vocabulary: Annotated[Count, Field(ge=100, le=1_000_000)] = Field(
        800, description="BPE pieces; read where `parent` is null"
    )


Initial = Annotated[HubModel | MadeModel, Field(discriminator="kind")]


class FileRejected(TableFile):
    """Rejected texts from a file, joined to the training rows by canonical molecule."""

    kind: Literal["file"]
    molecule: str = Field("molecule", description="column of the SMILES")
    text: str = Field("caption", description="column of the rejected text")

    def mapping(self) -> dict[str, str]:
        """Our name of each column that is read, with the name in the file."""
        return {"molecule": self.molecule, "text": self.text}


class ModelRejected(Section):
    """Rejected texts written by an initial model of the table."""

    kind: Literal["model"]
    model: Name = Field(description="id of an initial model")


Rejected = Annotated[FileRejected | ModelRejected, Field(discriminator="kind")]


class Preferences(Section):
    """Preference pairs: chosen is the reference, rejected a weaker text for the same molecule."""

    rejected: dict[Direction, Rejected] = Field(
        min_length=1, description="a source of rejected texts for each direction that alignment trains on"
    )


class Align(Section):
    """One way to align a policy with the preference pairs."""

    method: Literal[tuple(METHODS)] = Field(description="alignment method")  # type: ignore[valid-type]
    starts: list[str] = Field(min_length=1, description="ids of the models to align: initial or merged ones")
    preset: Literal["paper", "modern"] = Field("modern", description="hyperparameters to begin from")
    reference: Literal["start", "random", "uniform"] = Field(
        "start",
        description="reference model of the preference loss: the start itself, random weights, or every token as "
        "likely as any other",
    )
    share: Share | None = Field(
        None,
        description="share of the training molecules that it sees; null is `data.subset.fraction`. Smaller shares lie "
        "inside larger ones",
    )
    corpus: Name | None = Field(
        None,
        exclude_if=lambda corpus: corpus is None,
        description="one of `data.corpora`, whose pairs it is aligned and validated on; null is `data.train`",
    )
    quantize: bool = Field(False, description="QLoRA: load the start in 4-bit nf4; needs CUDA")
    lora: dict[str, Any] = Field({}, description="adapter settings over the preset's: r, alpha, dropout, …")
    settings: dict[str, Any] = Field({}, description="any setting of the method's TRL config, over the preset's")


class MergePlan(Section):
    """Align, then merge: every pair of the methods aligned from one start, by every merge method."""

    starts: list[str] = Field([], description="starts whose aligned models are merged pair by pair")
    alignments: list[Name] | None = Field(None, description="alignments that take part; null is all of them")
    methods: dict[Name, MergeMethod] = Field({}, description="merge methods by name")
    keep_weights: bool = Field(False, description="keep merged full weights; they are temporary otherwise")


class Universal(Section):
    """Merge, then align: per-task initial models merged by every merge method."""

    parents: tuple[Name, Name] = Field(description="two initial models of one shape and tokenizer")
    base: Name = Field(description="their common parent, which task vectors are taken against")


# ---- captions and the judge -----------------------------------------------------------------------------------


class Generation(Section):
    """How captions are written."""

    backend: Literal["hf", "vllm"] = Field(
        "hf",
        exclude_if=lambda backend: backend == "hf",
        description="what runs the models: transformers, or vLLM, which needs a CUDA GPU and has an environment of its "
        "own (docs/vllm.md)",
    )
    max_new_tokens: Count = Field(300, description="longest answer, in tokens")
    batch_tokens: Annotated[Count, Field(ge=64)] = Field(
        16384, description="prompt and answer tokens in a batch; those of a step of `vllm`"
    )
    temperature: Annotated[float, Field(ge=0)] = Field(0.0, description="0 is greedy")
    top_p: Share = Field(1.0, description="nucleus; read where temperature is above 0")


class Predictions(TableFile):
    """Captions that a system wrote for one test set.

    They are joined to the references by `id` where that is given, else by canonical `molecule`, else by order.
    """

    text: str = Field("caption", description="column of the captions")
    id: str | None = Field(None, description="column of the ids of the references' rows")
    molecule: str | None = Field(None, description="column of the SMILES; read where `id` is null")

    def mapping(self) -> dict[str, str]:
        """Our name of each column that is read, with the name in the file."""
        keys = {"id": self.id} if self.id else {"molecule": self.molecule} if self.molecule else {}
        return {"text": self.text} | keys


class System(Section):
    """A system whose captions come from elsewhere."""

    name: Name = Field(description="id in the model table")
    predictions: dict[Name, Predictions] = Field(min_length=1, description="its captions, for every test set")


class NliSettings(Section):
    """How any NLI model is asked."""

    max_length: Annotated[Count, Field(ge=16)] = Field(
        256, description="tokens of a pair; longer ones are cut, counted"
    )
    batch_tokens: Annotated[Count, Field(ge=64)] = Field(16384, description="tokens in a batch of pairs")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="`auto` is bfloat16 where the hardware has it"
    )

    def asked(self) -> dict[str, Any]:
        """Settings that its answers depend on, beside its weights (arguments of :func:`molmix.nli.run.cross`)."""
        return self.model_dump(include={"max_length", "batch_tokens", "dtype", "labels"})


class MadeNli(NliSettings):
    """A small cross-encoder trained in the graph on facts of the embedded world."""

    kind: Literal["made"]
    pairs: Annotated[Count, Field(ge=1000)] = Field(60000, description="training pairs")
    epochs: Annotated[float, Field(gt=0, le=10_000)] = Field(1.0, description="passes over them")
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        0.95, description="least held-out accuracy; a judge below it is refused"
    )


class PretrainedNli(NliSettings):
    """A sequence-classification NLI model from the hub or a local folder."""

    kind: Literal["pretrained"]
    id: str = Field(description="hub id or local folder")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    labels: list[Literal["entailment", "neutral", "contradiction"]] | None = Field(
        None, description="what its classes mean, in order, where its config.json does not say (MiniCheck's does not)"
    )


Nli = Annotated[MadeNli | PretrainedNli, Field(discriminator="kind")]


class Trial(Section):
    """Captions with planted errors, which show how far each judge can be trusted (`snakemake judge`)."""

    molecules: Count = Field(300, description="references that are edited, drawn from each test set; all if fewer")
    doses: list[Annotated[int, Field(ge=1, le=9)]] = Field(
        [1, 2, 3], min_length=1, description="how many edits at a time"
    )


class Metrics(Section):
    """Caption metrics; without vocabulary and WordNet a simpler, named definition is used."""

    vocabulary: FilePath | None = Field(
        None, description="SciBERT wordpiece vocabulary (vocab.txt) of the published BLEU and METEOR"
    )
    wordnet: FilePath | None = Field(None, description="folder of the WordNet 3.0 database, for METEOR's synonyms")
    properties: PropertySettings | None = Field(None, description="L+M-24's property scores; null for none")
    text2mol: Text2MolSettings | None = Field(None, description="Text2Mol similarity; null for none")

    def options(self) -> dict[str, Any]:
        """What scores depend on (fields of :class:`molmix.metrics.Options`)."""
        named: dict[str, Any] = {"vocabulary": self.vocabulary, "wordnet": self.wordnet}
        if self.properties:
            named |= {"taxonomy": self.properties.taxonomy, "property_truth": self.properties.truth}
        return named

    def files(self) -> dict[str, str]:
        """Every file or folder that a metric reads, by its key."""
        named = {"vocabulary": self.vocabulary, "wordnet": self.wordnet}
        if self.properties:
            named |= {
                "properties.taxonomy": self.properties.taxonomy,
                "properties.molecules": self.properties.molecules,
            }
        if self.text2mol:
            named |= {"text2mol.weights": self.text2mol.weights, "text2mol.features": self.text2mol.features}
        return {f"metrics.{key}": path for key, path in named.items() if path}


# What an arm is called in tables; spreadsheets run what begins with the signs that are left out.
Label = Annotated[str, Field(pattern=r"^[^\s=+@-][^\n\r\t]{0,39}$", coerce_numbers_to_str=True)]


class Best(Section):
    """The best of some models by one metric: the model that would have been chosen."""

    best: Literal["hallucination", "coverage", "bleu2", "bleu4", "rouge1", "rouge2", "rougeL", "meteor"] = Field(
        description="metric to choose by"
    )
    test: Name = Field(description="test set to choose on")
    of: list[str] = Field(min_length=1, description="ids of the models to choose from")


class Ablation(Section):
    """One factor varied over models of the table, the arms, each compared with the baseline."""

    title: str = Field(description="what is asked, in a few words")
    factor: str = Field(description="what differs between the arms, with its unit")
    baseline: Label = Field(description="name of the arm that the others are compared with")
    arms: dict[Label, str | Best] = Field(
        min_length=2, description="a model's id, or `Best`, by name; names that are all numbers make a curve"
    )

    def models(self) -> list[str]:
        """Every model that its table is made from."""
        arms = (arm.of if isinstance(arm, Best) else [arm] for arm in self.arms.values())
        return list(dict.fromkeys(model for arm in arms for model in arm))


class Statistics(Section):
    """Intervals of the tables."""

    resamples: Annotated[Count, Field(ge=100)] = Field(1000, description="bootstrap resamples over molecules")
    level: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="confidence level")


class Tracking(Section):
    """Where losses are shown while trainings run; it changes no result."""

    to: list[Literal[tuple(TRACKERS)]] = Field(  # type: ignore[valid-type]
        ["tensorboard"],
        description="`tensorboard` writes results/<run>/tensorboard; the others are offline too, and see alignments "
        "only; `[]` for none",
    )


class Push(Section):
    """Where `snakemake push` uploads adapters and kept merges, each with its card; nothing else depends on it."""

    repository: str = Field(description="hub id with {model} in it once, which each model's id takes the place of")
    models: list[str] = Field([], description="ids of the models to upload; none uploads every adapter and kept merge")
    private: bool = Field(True, description="make new repositories private")

    @model_validator(mode="after")
    def _slot(self) -> Push:
        if self.repository.count("{model}") != 1 or self.repository.count("/") != 1:
            raise ValueError("give a hub id with {model} in it once, as my-lab/captions-{model}")
        return self


class Gpus(Section):
    """GPUs that a job of each stage asks for; it makes sure that it got them, and with 0 takes what is there."""

    initial: OneGpu = Field(0, description="training an initial model")
    reject: OneGpu = Field(0, description="writing rejected texts")
    align: Annotated[int, Field(ge=0, le=16)] = Field(0, description="aligning; on several, a process on each")
    generate: OneGpu = Field(0, description="writing captions, and the merge before it")
    decompose: OneGpu = Field(0, description="cutting captions by a local language model")
    nli: OneGpu = Field(0, description="training an NLI model, and asking it")


class Hardware(Section):
    """What jobs ask for, of a cluster above all. It changes how fast they are, not what they make: nothing reruns."""

    gpus: Gpus = Field(Gpus(), description="number of GPUs, by stage")
    gpu_memory_gb: Annotated[float, Field(gt=0)] | None = Field(
        None, description="memory that each of these GPUs must have, in GB (10^9 bytes); null for any"
    )


class Config(Section):
    """A whole study."""

    run: Name = Field("demo", description="name of the run; everything it makes lies in results/<run>")
    domain: Literal["molecules", "text"] = Field(
        "molecules", description="`text` switches RDKit off: molecules are then any source text"
    )
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(
        [7], min_length=1, description="the first draws the data and makes models; alignment repeats for each"
    )
    data: Data = Field(description="corpus, splits and test sets")
    world: World = Field(World(), description="the embedded world")
    prompts: Prompts = Field(Prompts(), description="prompt templates")
    initial: dict[Name, Initial] = Field({}, description="initial models by name")
    universal: dict[Name, Universal] = Field({}, description="merges of initial models by name")
    preferences: Preferences | None = Field(None, description="preference pairs; required where `align` is not empty")
    align: dict[Name, Align] = Field({}, description="alignments by name")
    merge: MergePlan = Field(MergePlan(), description="merges of aligned models")
    generation: Generation = Field(Generation(), description="how captions are written")
    systems: list[System] = Field([], description="systems whose captions come from elsewhere")
    decomposers: dict[Name, Decomposer] = Field(
        {"rules": RulesSettings(backend="rules")}, description="ways to split captions into atoms, by name"
    )
    nli: dict[Name, Nli] = Field({"embedded": MadeNli(kind="made")}, description="NLI models by name")
    judges: dict[Name, Judge] = Field(
        {"atomic": Atomic(kind="atomic")},
        description="judges by name; the first of kind `atomic` gives the tables' hallucination and coverage",
    )
    ablations: dict[Name, Ablation] = Field({}, description="ablations by name (`snakemake ablation_<name>`)")
    trial: Trial = Field(Trial(), description="planted errors, which measure the judges")
    metrics: Metrics = Field(Metrics(), description="files of the published caption metrics")
    statistics: Statistics = Field(Statistics(), description="intervals of the tables")
    tracking: Tracking = Field(Tracking(), description="where losses are shown while trainings run")
    hardware: Hardware = Field(Hardware(), description="GPUs that jobs ask for, on a cluster and here")
    push: Push | None = Field(None, description="where models are uploaded by `snakemake push`; null for nowhere")

    def sources(self) -> list[DemoSource | FileSource | HubSource]:
        """Every source of rows: training, validation, further corpora, test sets."""
        data, tests = self.data, (test.source for test in self.data.tests.values())
        return [s for s in (data.train, data.validation, *data.corpora.values(), *tests) if s]

    def shares(self) -> list[float]:
        """Every share of the training molecules that some alignment sees, and that of the subset, in order."""
        own = (spec.share for spec in self.align.values())
        return sorted({self.data.subset.fraction, *(share for share in own if share)})

    def rejected(self) -> dict[Direction, FileRejected | ModelRejected]:
        """Where rejected texts come from, by direction; none where nothing is aligned."""
        return self.preferences.rejected if self.preferences else {}

    def judge_files(self) -> list[str]:
        """Files that judges read their weights from."""
        return [judge.weights for judge in self.judges.values() if judge.kind == "summac_conv"]

    def pretrained(self) -> dict[str, HubModel | PretrainedNli | LocalSettings]:
        """Every model that comes from the hub or a local folder, by its key."""
        models = {
            **{f"initial.{name}": model for name, model in self.initial.items()},
            **{f"nli.{name}": model for name, model in self.nli.items()},
            **{f"decomposers.{name}": model for name, model in self.decomposers.items()},
        }
        kinds = HubModel | PretrainedNli | LocalSettings
        return {key: model for key, model in models.items() if isinstance(model, kinds)}

    def by_vllm(self) -> dict[str, HubModel | LocalSettings]:
        """Those of the pretrained models that vLLM runs, by their key."""
        return {
            key: model
            for key, model in self.pretrained().items()
            if (isinstance(model, HubModel) and self.generation.backend == "vllm")
            or (isinstance(model, LocalSettings) and model.backend == "vllm")
        }

    def digest(self, *sections: str) -> str:
        """Name of what the config says, or some of its sections do: 16 hex digits.

        The hardware and the tracking are left out: they change no result.
        """
        said = self.model_dump_json(include=set(sections) or None, exclude=UNSEEN)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def uses_world(self) -> bool:
        """Whether any source is the embedded world."""
        return any(source.kind == "demo" for source in self.sources())


# ---- loading --------------------------------------------------------------------------------------------------


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice; plain YAML keeps the last one in silence."""


def _unique_mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        where = f"{key_node.start_mark.name}, line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise fault(where, "a list or a mapping is no key", "put the key in quotes")
        key = key_node.value if key_node.tag.endswith(":merge") else loader.construct_object(key_node)
        if key in seen:
            raise fault(where, f"key {quoted(key)} is given twice", "remove one")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML config file, refusing repeated keys and anything that is not a mapping.

    Raises:
        MolmixError: the file is missing, not UTF-8, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise fault(path, f"cannot be read ({error.strerror})", "name an existing config file") from None
    except UnicodeDecodeError as error:
        raise fault(path, f"is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    try:
        loader = _StrictLoader(text)
        loader.name = str(path)
        content = loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date without such a day, brackets by the thousand
        raise fault(path, f"is not YAML: {' '.join(str(error).split())}", "mend the syntax") from None
    if not isinstance(content, dict):
        raise fault(path, "holds no keys", "start from config/config.yaml")
    return content


def parse(content: dict[str, Any], where: str = "config") -> Config:
    """Check plain data against the schema.

    Args:
        content: what the YAML held, as dicts, lists and scalars.
        where: the file's name, for messages.

    Raises:
        MolmixError: one message that lists every wrong key with its value and the mend.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        lines = [explain(content, dict(item), _json_schema()) for item in error.errors(include_url=False)]
        raise MolmixError(f"{where}: {len(lines)} thing(s) to mend\n" + "\n".join(lines)) from None


@functools.cache
def _json_schema() -> dict[str, Any]:
    return Config.model_json_schema(by_alias=True)


def load(path: Path) -> Config:
    """Read and check one config file; see :func:`read_yaml` and :func:`parse` for what is refused."""
    return parse(read_yaml(path), str(path))
