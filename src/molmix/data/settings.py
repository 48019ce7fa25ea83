"""Config sections of the corpus, the prompts, the preference pairs and the captions of external systems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from molmix.core.schema import Count, FilePath, Name, Revision, Section, Share, wrong_key
from molmix.data.prompts import SLOTS, mistaken_slot

Direction = Literal["mol2cap", "cap2mol"]


class Columns(Section):
    """Column mapping of a source."""

    molecule: str | None = Field(
        "molecule",
        description="column of the SMILES (of the source text under `domain: text`); null for references without one",
    )
    caption: str = Field("caption", description="column of the caption (of the target text under `domain: text`)")
    id: str | None = Field(None, description="column of a unique row id; null numbers the rows")
    properties: str | None = Field(None, description="column of a list of properties, for `strategy: stratified`")

    def mapping(self) -> dict[str, str]:
        """Column names in the source, by molmix's names."""
        return {name: column for name, column in self.model_dump().items() if column is not None}


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
        "auto", description="format of the file; `auto` decides by its ending"
    )
    quoting: Literal["minimal", "none"] = Field(
        "minimal",
        description='quoting of TSV and CSV; `none` reads `"` as text (as ChEBI-20 is published)',
    )


class FileSource(TableFile):
    """A local table of molecules and captions."""

    kind: Literal["file"]
    columns: Columns = Field(Columns(), description="column mapping")

    def mapping(self) -> dict[str, str]:
        """Names of the columns to read in the file, by molmix's names."""
        return self.columns.mapping()


class HubSource(Section):
    """A data set of the Hugging Face hub, at a pinned revision."""

    kind: Literal["hub"]
    id: str = Field(description="dataset id on the hub")
    revision: Revision = Field(description="commit hash or tag, so that a rerun reads the same rows")
    split: str = Field(description="split of the data set")
    config: str | None = Field(None, description="configuration of the data set, if it has several")
    columns: Columns = Field(Columns(), description="column mapping")

    def mapping(self) -> dict[str, str]:
        """Names of the columns to read in the data set, by molmix's names."""
        return self.columns.mapping()


Source = Annotated[DemoSource | FileSource | HubSource, Field(discriminator="kind")]
Strategy = Literal["random", "stratified", "scaffold"]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class HeldOutSource(Section):
    """Molecules of the training split, which leave it."""

    kind: Literal["held_out"]
    fraction: Fraction = Field(description="share of the molecules of `data.train`, above 0 and below 1")
    strategy: Strategy = Field(
        "random",
        description="how they are drawn; `stratified` keeps the proportions of the properties, `scaffold` draws whole "
        "scaffolds: none of theirs stays in training",
    )


SourceOrPart = Annotated[DemoSource | FileSource | HubSource | HeldOutSource, Field(discriminator="kind")]


class TestSet(Section):
    """A named test set."""

    source: SourceOrPart = Field(description="where the rows come from")
    direction: Direction = Field("mol2cap", description="`mol2cap`: models write captions; `cap2mol`: molecules")
    min_words: Count = Field(1, description="drop captions with fewer words; 100 tests the judge on long captions")
    rows: Count | None = Field(None, description="number of molecules, drawn with the seed; null for all")


class Subset(Section):
    """The share of the training split that alignment is trained on."""

    fraction: Share = Field(0.1, description="share of the training molecules, above 0 and up to 1")
    strategy: Strategy = Field(
        "random",
        description="`stratified` keeps the proportions of the properties, `scaffold` draws whole scaffolds",
    )


class Data(Section):
    """Corpus, splits and test sets."""

    train: Source | None = Field(
        None,
        description="training split; initial models of the graph are trained on all of it. null if nothing is trained",
    )
    validation: SourceOrPart | None = Field(None, description="validation split; null holds out 5 % of the subset")
    test_fraction: Fraction | None = Field(
        None,
        exclude=True,
        description="for data in one file: this share of the molecules of `train` is the test set `test`. In full: "
        "`tests: {test: {source: {kind: held_out, fraction: …, strategy: …}}}`",
    )
    validation_fraction: Fraction | None = Field(
        None, exclude=True, description="the same for validation: this share of the molecules of `train`"
    )
    split: Strategy = Field(
        "random",
        exclude=True,
        description="how the molecules of `test_fraction` and `validation_fraction` are drawn; `scaffold` draws whole "
        "scaffolds, so that no scaffold of the test set is in training",
    )
    corpora: dict[Name, Source] = Field(
        {},
        exclude_if=lambda corpora: not corpora,
        description="further training corpora by name, for `initial.<name>.corpus` and `align.<name>.corpus`; each is "
        "cleaned and subset as `train` is, and 5 % of its subset are held out",
    )
    tests: dict[Name, TestSet] = Field({}, min_length=1, validate_default=True, description="test sets by name")
    subset: Subset = Field(Subset(), description="share of the training split that alignment is trained on")
    leakage: Literal["exact", "stereo", "parent"] = Field(
        "parent",
        description="which molecules leave training because a test set or validation holds the same one. `exact`: the "
        "same canonical SMILES. `stereo`: also its stereoisomers. `parent`: also its salts, charge states, isotopes "
        "and tautomers (RDKit's super parent), as is usual in data curation. The manifest counts all three",
    )
    unparsable: Literal["drop", "keep"] = Field(
        "drop", description="whether to drop or keep rows whose SMILES RDKit cannot read; they are counted either way"
    )

    @model_validator(mode="before")
    @classmethod
    def _parts_of_one_file(cls, content: Any) -> Any:
        """Write `test_fraction` and `validation_fraction` in full."""
        if not isinstance(content, dict):
            return content
        strategy = {"strategy": content["split"]} if "split" in content else {}
        for key, given in (("test_fraction", content.get("tests") or {}), ("validation_fraction", content)):
            name = key.removesuffix("_fraction")
            if content.get(key) is None:
                continue
            part = {"kind": "held_out", "fraction": content[key]} | strategy
            if given.get(name) is not None:
                raise ValueError(f"`{key}` makes `{name}`, which is given too: remove one of the two")
            made = {"tests": given | {"test": {"source": part}}} if name == "test" else {"validation": part}
            content = content | made
        return content


class World(Section):
    """Size of the embedded world, for sources of kind `demo`."""

    molecules: Annotated[int, Field(ge=200, le=8000)] = Field(
        4000, description="number of distinct molecules; of weather records under `domain: text`"
    )


class Prompts(Section):
    """Prompt templates; the answer follows the prompt after one space, or as `template` says."""

    mol2cap: str = Field(
        "Molecule: {molecule}\nCaption:",
        description="holds {molecule} exactly once; or {selfies}, which shows the molecule as SELFIES",
    )
    cap2mol: str = Field("Caption: {caption}\nMolecule:", description="holds {caption} exactly once")
    template: Literal["plain", "chat"] = Field(
        "plain",
        exclude_if=lambda template: template == "plain",
        description="`chat` puts the prompt as the user's turn, and the answer as the assistant's, into the chat "
        "template of the model's tokenizer, in training and generation (instruct models)",
    )
    system: str | None = Field(
        None,
        exclude_if=lambda system: system is None,
        description="text of the system's turn in the chat template; null for none",
    )

    @model_validator(mode="after")
    def _slots(self) -> Prompts:
        for key, slots in SLOTS.items():
            template: str = getattr(self, key)
            either = " or ".join(slots)
            if sum(map(template.count, slots)) != 1:
                raise wrong_key(type(self), key, template, f"the template must hold {either} exactly once")
            if word := mistaken_slot(template, slots):
                hint = f"{word} is not filled here, where the slot is {either}: correct or remove it"
                raise wrong_key(type(self), key, template, hint)
        if self.system is not None and (self.template == "plain" or not self.system.strip()):
            hint = "it is the text of a turn, and needs `template: chat`"
            raise wrong_key(type(self), "system", self.system, hint)
        if self.system is not None and (word := mistaken_slot(self.system, ())):
            raise wrong_key(type(self), "system", self.system, f"{word} is filled in the templates only: remove it")
        return self


class Examples(Section):
    """Solved examples before each question (few-shot prompts), for models that were not tuned for the task.

    They are training molecules with their captions, and never the molecule that is asked about.
    """

    number: Annotated[int, Field(ge=1, le=100)] = Field(
        description="number of examples; fewer where the model's context is too short for all of them"
    )
    choose: Literal["random", "nearest"] = Field(
        "nearest",
        description="`nearest` takes the most similar ones, as MolReGPT does (molecules by Tanimoto similarity of "
        "Morgan fingerprints, captions by BM25), the nearest one last; `random` draws anew for each question",
    )
    split: Literal["subset", "train"] = Field(
        "subset",
        description="`subset` has the molecules that alignments see (of the largest share), `train` all of them",
    )


class FileRejected(TableFile):
    """Rejected texts from a file, joined to training and validation rows by canonical SMILES."""

    kind: Literal["file"]
    molecule: str = Field("molecule", description="column of the SMILES")
    text: str = Field("caption", description="column of the rejected text")

    def mapping(self) -> dict[str, str]:
        """Names of the columns to read in the file, by molmix's names."""
        return {"molecule": self.molecule, "text": self.text}


class ModelRejected(Section):
    """Rejected texts that an initial model writes."""

    kind: Literal["model"]
    model: Name = Field(description="id of an initial model")


Rejected = Annotated[FileRejected | ModelRejected, Field(discriminator="kind")]


class RejectedGeneration(Section):
    """How models write rejected texts. What is null is as in `generation`, and pairs are made again if that changes."""

    max_new_tokens: Count | None = Field(None, description="longest rejected text, in tokens")
    temperature: Annotated[float, Field(ge=0)] | None = Field(
        None, description="temperature of rejected texts; 0 is greedy"
    )
    top_p: Share | None = Field(None, description="nucleus of rejected texts; used where their temperature is above 0")


class Preferences(Section):
    """Preference pairs: chosen is the reference text, rejected a weaker text for the same molecule."""

    rejected: dict[Direction, Rejected] = Field(
        min_length=1, description="source of rejected texts, for each direction that alignment trains on"
    )
    generation: RejectedGeneration = Field(
        RejectedGeneration(),
        exclude_if=lambda generation: generation == RejectedGeneration(),
        description="how models write rejected texts, where that differs from the section `generation`",
    )


class Predictions(TableFile):
    """Captions of a system for one test set.

    They are joined to the references by `id` if it is set, else by canonical SMILES if `molecule` is set, else by
    order.
    """

    text: str = Field("caption", description="column of the captions")
    id: str | None = Field(None, description="column of the ids of the references' rows")
    molecule: str | None = Field(None, description="column of the SMILES; ignored if `id` is set")

    def mapping(self) -> dict[str, str]:
        """Names of the columns to read in the file, by molmix's names."""
        keys = {"id": self.id} if self.id else {"molecule": self.molecule} if self.molecule else {}
        return {"text": self.text} | keys
