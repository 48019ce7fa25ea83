"""The typed schema of a study's config.

The documented default file, the JSON schema for editors and the key reference in ``docs/`` are generated from
these classes (see :mod:`molmix.config.documentation`). Unknown keys are errors. Every error names the key, the value,
the file and what to do. This module imports fast, because every parse of the Snakefile imports it.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from molmix.align.settings import Align
from molmix.analysis.settings import Ablation, JudgeValidation, Statistics
from molmix.core.schema import Name, Section
from molmix.core.settings import Hardware, Tracking
from molmix.data.settings import (
    Data,
    DemoSource,
    Direction,
    FileRejected,
    FileSource,
    HeldOutSource,
    HubSource,
    ModelRejected,
    Preferences,
    Prompts,
    World,
)
from molmix.generation.settings import Generation, System
from molmix.judges.decompose import Decomposer
from molmix.judges.decompose.backends._local import LocalSettings
from molmix.judges.decompose.backends.rules import RulesSettings
from molmix.judges.kinds import Judge
from molmix.judges.kinds.atomic import Atomic
from molmix.judges.nli.settings import AdaptedNli, Licence, MadeNli, Nli, PretrainedNli
from molmix.merge.settings import MergePlan, Universal
from molmix.metrics import Options
from molmix.metrics.settings import Metrics
from molmix.models import sizes
from molmix.models.settings import HubModel, Initial, Push

NO_RESULT_DEPENDS_ON = {"hardware", "tracking", "push"}  # sections of the config
# Keys with `exclude_if` are newer than others. Dumped settings are part of cache keys, and changed ones rerun jobs. So
# such a key is not dumped if it has its default value, and older results stay valid.


class Config(Section):
    """A whole study."""

    RENAMED: ClassVar[dict[str, str]] = {"trial": "judge_validation"}

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
    preferences: Preferences | None = Field(
        None,
        description="preference pairs. Needed by alignments that read rejected texts which their start does not write. "
        "Without it, models are aligned in the directions of the test sets, on all captions of the subset",
    )
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
        description="judges by name; the first of kind `atomic` gives the tables' atomic F1 and what stands beside it",
    )
    licence: Licence = Field(
        Licence(),
        description="judges whose NLI model cannot read the references",
        exclude_if=lambda licence: licence == Licence(),
    )
    ablations: dict[Name, Ablation] = Field({}, description="ablations by name (`snakemake ablation_<name>`)")
    judge_validation: JudgeValidation = Field(
        JudgeValidation(), description="captions with planted errors, which show how far judges can be trusted"
    )
    metrics: Metrics = Field(Metrics(), description="files of the published caption metrics")
    statistics: Statistics = Field(Statistics(), description="intervals and comparisons of the tables")
    tracking: Tracking = Field(Tracking(), description="where losses are shown while trainings run")
    hardware: Hardware = Field(Hardware(), description="GPUs that jobs ask for, on a cluster and here")
    push: Push | None = Field(None, description="where models are uploaded by `snakemake push`; null for nowhere")

    def sources(self) -> list[DemoSource | FileSource | HubSource]:
        """All sources of rows: training, validation, further corpora and test sets."""
        data, tests = self.data, (test.source for test in self.data.tests.values())
        every = (data.train, data.validation, *data.corpora.values(), *tests)
        return [source for source in every if source and not isinstance(source, HeldOutSource)]

    def shares(self) -> list[float]:
        """All shares of the training molecules that alignments see, and that of the subset, in ascending order."""
        own = (spec.share for spec in self.align.values())
        return sorted({self.data.subset.fraction, *(share for share in own if share)})

    def rejected(self) -> dict[Direction, FileRejected | ModelRejected]:
        """Sources of rejected texts, by direction; empty without `preferences`."""
        return self.preferences.rejected if self.preferences else {}

    def directions(self) -> list[Direction]:
        """The directions that alignments train on: those of `preferences`, or without it those of the test sets."""
        return list(self.rejected() or dict.fromkeys(test.direction for test in self.data.tests.values()))

    def captioning(self, exclude: set[str] | None = None) -> dict[str, Any]:
        """How models write captions: the section `generation`, and ``large_models: true`` where its type depends on it.

        See :func:`molmix.generation.engines._kind.generation_dtype`. One large model makes a study one of large models.
        """
        settings = self.generation.model_dump(exclude=exclude)
        if self.generation.dtype == "auto" and any(map(sizes.initial_is_large, self.initial.values())):
            settings["large_models"] = True
        return settings

    def rejecting(self) -> dict[str, Any]:
        """How models write rejected texts: :meth:`captioning`, with the changes of `preferences.generation`."""
        changes = self.preferences.generation.model_dump(exclude_none=True) if self.preferences else {}
        return self.captioning() | changes

    def metric_options(self) -> Options:
        """Settings that scores depend on."""
        judges = {name: judge.model_dump() for name, judge in self.judges.items()}
        return Options(judges=judges, domain=self.domain, **self.metrics.options())

    def judge_files(self) -> list[str]:
        """Files that judges read."""
        return [file for judge in self.judges.values() for file in judge.files]

    def local_decomposers(self) -> dict[str, LocalSettings]:
        """Decomposers that run a language model on this machine."""
        return {name: own for name, own in self.decomposers.items() if isinstance(own, LocalSettings)}

    def adapted_nli(self) -> dict[str, AdaptedNli]:
        """NLI models that are tuned on training captions."""
        return {name: own for name, own in self.nli.items() if isinstance(own, AdaptedNli)}

    def pretrained(self) -> dict[str, Any]:
        """All models from the hub or from local folders (they have `id` and `revision`), by config key."""
        hub = {f"initial.{name}": model for name, model in self.initial.items() if isinstance(model, HubModel)}
        nli = {f"nli.{name}": model for name, model in self.nli.items() if isinstance(model, PretrainedNli)}
        return hub | nli | {f"decomposers.{name}": model for name, model in self.local_decomposers().items()}

    def digest(self, *sections: str) -> str:
        """Digest of the config, or of some of its sections: 16 hex digits.

        `hardware`, `tracking` and `push` are left out, because they change no result.
        """
        said = self.model_dump_json(include=set(sections) or None, exclude=NO_RESULT_DEPENDS_ON)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def uses_world(self) -> bool:
        """Whether a source is the embedded world."""
        return any(source.kind == "demo" for source in self.sources())
