"""The study's configuration: one typed schema that everything else is made from.

The documented default file, the JSON schema for editors and the key reference in ``docs/`` are generated from
these classes (see :mod:`molmix.config_docs`). Unknown keys are refused, and every refusal names the key, the
value, the file and the mend. Importing this module is cheap: the Snakefile does it on every parse.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from molmix.align import METHODS
from molmix.decompose import Decomposer, RulesSettings, TransformersSettings
from molmix.errors import MolmixError, fault
from molmix.judges import Atomic, Judge
from molmix.merge import MergeMethod
from molmix.metrics.settings import PropertySettings, Text2MolSettings
from molmix.schema import Count, Name, Section, Share

Direction = Literal["mol2cap", "cap2mol"]
OneGpu = Annotated[int, Field(ge=0, le=1)]


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
        "molecules of `id` with captions of 100 words and more"
    )


class TableFile(Section):
    """A local table of text."""

    path: str = Field(
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


class HubSource(Section):
    """A datasets id on the Hugging Face hub, at a pinned revision."""

    kind: Literal["hub"]
    id: str = Field(description="dataset id on the hub")
    revision: str = Field(description="commit hash or tag; pinned so that a rerun reads the same rows")
    split: str = Field(description="split of the data set")
    config: str | None = Field(None, description="configuration name of the data set, where it has several")
    columns: Columns = Field(Columns(), description="column mapping")


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
    tests: dict[Name, TestSet] = Field(min_length=1, description="any number of named test sets")
    subset: Subset = Field(Subset(), description="what alignment sees of the training split")
    unparsable: Literal["drop", "keep"] = Field(
        "drop", description="what to do with rows whose SMILES RDKit cannot read; they are counted either way"
    )


class World(Section):
    """Size of the embedded world, read when a source is of kind `demo`."""

    molecules: Annotated[int, Field(ge=200, le=8000)] = Field(4000, description="distinct molecules to build")


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
    revision: str | None = Field(None, description="commit hash or tag; required for a hub id")


class MadeModel(Section):
    """A small Llama trained in the graph."""

    kind: Literal["made"]
    parent: Name | None = Field(None, description="initial model to go on from; null starts from random weights")
    task: Literal["unpaired", "mol2cap", "cap2mol"] = Field(
        description="`unpaired` sees molecules and captions but never which belongs to which"
    )
    epochs: Annotated[float, Field(gt=0)] = Field(1.0, description="passes over the training split")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1.5e-3, description="peak, cosine to 0 after warm-up")
    batch_size: Count = Field(16, description="rows a step")
    hidden_size: Count = Field(128, description="width; read where `parent` is null")
    layers: Count = Field(4, description="depth; read where `parent` is null")
    heads: Count = Field(4, description="attention heads; read where `parent` is null")
    vocabulary: Annotated[int, Field(ge=100)] = Field(800, description="BPE pieces; read where `parent` is null")


Initial = Annotated[HubModel | MadeModel, Field(discriminator="kind")]


class FileRejected(TableFile):
    """Rejected texts from a file, joined to the training rows by canonical molecule."""

    kind: Literal["file"]
    molecule: str = Field("molecule", description="column of the SMILES")
    text: str = Field("caption", description="column of the rejected text")


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
    reference: Literal["start", "random"] = Field(
        "start", description="reference model of the preference loss: the start itself, or random weights"
    )
    quantize: bool = Field(False, description="QLoRA: load the start in 4-bit nf4; needs CUDA")
    lora: dict[str, Any] = Field({}, description="adapter settings over the preset's: r, alpha, dropout, …")
    settings: dict[str, Any] = Field({}, description="any setting of the method's TRL config, over the preset's")


class MergePlan(Section):
    """Align, then merge: every pair of the methods aligned from one start, by every merge method."""

    starts: list[str] = Field([], description="starts whose aligned models are merged pair by pair")
    methods: dict[Name, MergeMethod] = Field({}, description="merge methods by name")
    keep_weights: bool = Field(False, description="keep merged full weights; they are temporary otherwise")


class Universal(Section):
    """Merge, then align: per-task initial models merged by every merge method."""

    parents: tuple[Name, Name] = Field(description="two initial models of one shape and tokenizer")
    base: Name = Field(description="their common parent, which task vectors are taken against")


# ---- captions and the judge -----------------------------------------------------------------------------------


class Generation(Section):
    """How captions are written."""

    max_new_tokens: Count = Field(300, description="longest answer, in tokens")
    batch_tokens: Annotated[int, Field(ge=64)] = Field(16384, description="prompt and answer tokens in a batch")
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

    max_length: Annotated[int, Field(ge=16)] = Field(256, description="tokens of a pair; longer ones are cut, counted")
    batch_tokens: Annotated[int, Field(ge=64)] = Field(16384, description="tokens in a batch of pairs")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="`auto` is bfloat16 where the hardware has it"
    )

    def asked(self) -> dict[str, Any]:
        """Settings that its answers depend on, beside its weights (arguments of :func:`molmix.nli.run.cross`)."""
        return self.model_dump(include={"max_length", "batch_tokens", "dtype", "labels"})


class MadeNli(NliSettings):
    """A small cross-encoder trained in the graph on facts of the embedded world."""

    kind: Literal["made"]
    pairs: Annotated[int, Field(ge=1000)] = Field(60000, description="training pairs")
    epochs: Annotated[float, Field(gt=0)] = Field(1.0, description="passes over them")
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(
        0.95, description="least held-out accuracy; a judge below it is refused"
    )


class PretrainedNli(NliSettings):
    """A sequence-classification NLI model from the hub or a local folder."""

    kind: Literal["pretrained"]
    id: str = Field(description="hub id or local folder")
    revision: str | None = Field(None, description="commit hash or tag; required for a hub id")
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

    vocabulary: str | None = Field(
        None, description="SciBERT wordpiece vocabulary (vocab.txt) of the published BLEU and METEOR"
    )
    wordnet: str | None = Field(None, description="folder of the WordNet 3.0 database, for METEOR's synonyms")
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


class Statistics(Section):
    """Intervals of the tables."""

    resamples: Annotated[int, Field(ge=100)] = Field(1000, description="bootstrap resamples over molecules")
    level: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="confidence level")


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
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
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
    trial: Trial = Field(Trial(), description="planted errors, which measure the judges")
    metrics: Metrics = Field(Metrics(), description="files of the published caption metrics")
    statistics: Statistics = Field(Statistics(), description="intervals of the tables")
    hardware: Hardware = Field(Hardware(), description="GPUs that jobs ask for, on a cluster and here")

    def sources(self) -> list[DemoSource | FileSource | HubSource]:
        """Every source of the corpus: training, validation, test sets."""
        data = self.data
        return [s for s in (data.train, data.validation, *(test.source for test in data.tests.values())) if s]

    def rejected(self) -> dict[Direction, FileRejected | ModelRejected]:
        """Where rejected texts come from, by direction; none where nothing is aligned."""
        return self.preferences.rejected if self.preferences else {}

    def judge_files(self) -> list[str]:
        """Files that judges read their weights from."""
        return [judge.weights for judge in self.judges.values() if judge.kind == "summac_conv"]

    def pretrained(self) -> dict[str, HubModel | PretrainedNli | TransformersSettings]:
        """Every model that comes from the hub or a local folder, by its key."""
        models = {
            **{f"initial.{name}": model for name, model in self.initial.items()},
            **{f"nli.{name}": model for name, model in self.nli.items()},
            **{f"decomposers.{name}": model for name, model in self.decomposers.items()},
        }
        kinds = HubModel | PretrainedNli | TransformersSettings
        return {key: model for key, model in models.items() if isinstance(model, kinds)}

    def uses_world(self) -> bool:
        """Whether any source is the embedded world."""
        return any(source.kind == "demo" for source in self.sources())


# ---- loading --------------------------------------------------------------------------------------------------


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice; plain YAML keeps the last one in silence."""


def _unique_mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise fault(f"{key_node.start_mark.name}, line {line}", f"key {key!r} is given twice", "remove one")
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
    loader = _StrictLoader(text)
    loader.name = str(path)
    try:
        content = loader.get_single_data()
    except yaml.YAMLError as error:
        raise fault(path, f"is not YAML: {' '.join(str(error).split())}", "mend the syntax") from None
    finally:
        loader.dispose()
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
        lines = [_explain(content, dict(item)) for item in error.errors(include_url=False)]
        raise MolmixError(f"{where}: {len(lines)} thing(s) to mend\n" + "\n".join(lines)) from None


def load(path: Path) -> Config:
    """Read and check one config file; see :func:`read_yaml` and :func:`parse` for what is refused."""
    return parse(read_yaml(path), str(path))


def _explain(content: dict[str, Any], item: dict[str, Any]) -> str:
    """One line for one pydantic error: the key, the value, what is wrong, the mend."""
    # Discriminated unions put the chosen tag into the location; it is no key of the file.
    location: list[str] = []
    node: Any = content
    for part in item["loc"]:
        inside = part in node if isinstance(node, dict) else isinstance(node, list) and isinstance(part, int)
        if not inside and part != item["loc"][-1]:
            continue
        location.append(str(part))
        node = node[part] if inside else None
    key = ".".join(part for part in location if part != "[key]") or "config"
    if item["type"] == "extra_forbidden":
        known = _siblings(item["loc"])
        near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(sorted(known))}"
        return f"  {key}: unknown key. Hint: {hint}"
    if item["type"] == "missing":
        return f"  {key}: required and not given. Hint: add it (see docs/config.md)"
    if item["type"] == "string_pattern_mismatch" or "[key]" in location:
        return f"  {key}: {item['input']!r} is no safe name. Hint: use up to 40 letters, digits, '_' and '-'"
    message = item["msg"].removeprefix("Value error, ")
    # What is given where the name of a key's variable belongs may be the key itself.
    value = "what is given" if location[-1:] == ["key_variable"] else repr(item["input"])
    return f"  {key}: {value} is refused. Hint: {message[0].lower()}{message[1:]}"


def _siblings(loc: tuple[Any, ...]) -> set[str]:
    """The keys that the schema knows at the place of an unknown one, found by walking the JSON schema."""
    schema = Config.model_json_schema(by_alias=True)
    nodes = _resolve(schema, schema)
    for part in loc[:-1]:
        # A union's tag is part of the location and no key: the nodes stay as they are.
        nodes = [child for node in nodes for child in _children(schema, node, part)] or nodes
    return {key for node in nodes for key in node.get("properties", {})}


def _children(schema: dict[str, Any], node: dict[str, Any], part: Any) -> list[dict[str, Any]]:
    child = node.get("properties", {}).get(part) or node.get("additionalProperties")
    return _resolve(schema, child) if isinstance(child, dict) else []


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """The object schemas that a node stands for: references followed, unions laid open."""
    if "$ref" in node:
        return _resolve(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[-1]])
    options = node.get("oneOf") or node.get("anyOf")
    return [found for option in options for found in _resolve(schema, option)] if options else [node]
