"""The model table: one row for each model of the config. All rules use it.

The id of a model says how it is made, from left to right: ``agnostic`` is an initial model, ``agnostic.sft`` its SFT
policy, ``agnostic.sft.dpo`` that policy aligned by DPO, ``agnostic.sft_dpo.ties`` the TIES merge of two policies with
the same start, ``universal.slerp`` a merge of initial models, and ``universal.slerp.cpo`` that merge aligned by CPO.
Each seed after the first adds ``-s<seed>`` to the name of the alignment. The first seed adds nothing, so adding a seed
to the config renames no model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal, get_args

from molmix.align.methods._shared import Alignment, JudgedPairs
from molmix.config.checks import check
from molmix.config.schema import Config
from molmix.core.errors import MolmixError, counted, fault
from molmix.core.validation import check_name
from molmix.data.prompts import chat_settings
from molmix.data.settings import ModelRejected, Prompts
from molmix.merge.settings import START, Search
from molmix.metrics.scorer import scorer_settings
from molmix.models.settings import EndpointModel, HubModel, Initial, MadeModel
from molmix.pipeline.paths import RESERVED

Kind = Literal["initial", "aligned", "merged", "external"]
MOST_FOR_ALL_PAIRS = 200  # models; 19,900 pairs for each metric
MANY = 300  # models of a study, above which molmix says so before it runs


@dataclass(frozen=True)
class Model:
    """One row of the model table.

    Attributes:
        id: its name, which is safe in a path.
        kind: how it is made.
        parents: ids of the models that it is made from: the start of an aligned model, the two parents of a merge, the
            model that an initial one was trained from, if any; empty for a system with captions from elsewhere.
        method: name of the alignment or merge, or the kind of an initial model.
        settings: all settings that it depends on, with the preset applied.
        seed: the seed that it is made with.
        base: for a merge, the base model of its task vectors.
        unseeded: the id without its seed. Models with the same value differ in the seed only.
    """

    id: str
    kind: Kind
    parents: tuple[str, ...]
    method: str
    settings: dict[str, Any] = field(hash=False)
    seed: int
    base: str | None = None
    unseeded: str = ""

    def prompts(self, study: Prompts) -> dict[str, Any]:
        """How it is asked: the prompts in its settings, or else the study's, and its ``examples`` if it has some."""
        prompts = self.settings.get("prompts") or study.model_dump()
        return prompts | ({"examples": self.settings["examples"]} if self.settings.get("examples") else {})

    @property
    def is_adapter(self) -> bool:
        """Whether its weights are an adapter, and not full weights."""
        return self.kind == "aligned" and self.settings.get("adapter") != "none"

    @property
    def is_searched(self) -> bool:
        """Whether it is a merge whose weights are searched."""
        return self.kind == "merged" and "search" in self.settings

    @property
    def start(self) -> str | None:
        """The model that it is compared with: the base of a merge, else the parent; None without a parent."""
        return self.base or next(iter(self.parents), None)


class ModelTable(dict[str, Model]):
    """Models by id. Parents come before their children.

    Attributes:
        taken: ids and names that no further model can have, in lower case: on some file systems A and a are one name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken = {name.lower() for name in RESERVED}

    def lineage(self, model: str) -> list[str]:
        """The models whose weights are read to load `model`: itself, and all starts under it if it is an adapter."""
        adapted = self.adapted(model)
        return [model, *(self.lineage(adapted) if adapted else [])]

    def adapted(self, model: str) -> str | None:
        """The model on whose weights an adapter is loaded: its start, or that of a start that it continues."""
        row = self[model]
        if not row.is_adapter:
            return None
        return self.adapted(row.parents[0]) if row.settings.get("adapter") == "continued" else row.parents[0]

    def ancestry(self, model: str) -> list[str]:
        """A model and all models that it was made from, including the bases of merges."""
        row = self[model]
        above = [*row.parents, *([row.base] if row.base else [])]
        return list(dict.fromkeys([model, *(one for name in above for one in self.ancestry(name))]))

    def descendants(self) -> Counter[str]:
        """How many models each model is needed for: those that are made from it, and those made from these."""
        return Counter(above for model in self for above in self.ancestry(model) if above != model)

    def merged_from(self, model: str) -> list[str]:
        """The models whose weights a merge reads: its parents and its base, each once."""
        row = self[model]
        return list(dict.fromkeys([*row.parents, *([row.base] if row.base else [])]))

    def kept(self, every: bool) -> list[str]:
        """Merges whose weights are kept: those that models are aligned from, or all (`every`, `merge.keep_weights`)."""
        starts = {row.parents[0] for row in self.values() if row.kind == "aligned"}
        return [model for model in self.of_kind("merged") if every or model in starts]

    def searched(self) -> list[str]:
        """Merges whose weights are searched."""
        return [row.id for row in self.values() if row.is_searched]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Ids of the models of some kinds."""
        return [row.id for row in self.values() if row.kind in kinds]

    def expansion(self) -> str:
        """How many models of which kind a config expands to, as text; with a hint if they are many."""
        counts = {kind: len(self.of_kind(kind)) for kind in get_args(Kind)}
        kinds = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
        said = f"{counted(len(self), 'model')}: {kinds}"
        if len(self) <= MANY:
            return said
        merges = "`merge.starts`, `merge.alignments` and `merge.methods` limit the merges; " if counts["merged"] else ""
        return f"{said}. That is many: each of them writes captions that are judged. Hint: {merges}fewer `seeds` help"


def build(config: Config) -> ModelTable:
    """Expand a config into its model table.

    Raises:
        MolmixError: a name does not exist, parents form a circle, an id is used twice, or a model cannot be made as
            the config says.
    """
    check(config)
    table = ModelTable()
    _add_initial(config, table)
    _add_universal(config, table)
    _add_aligned_and_merged(config, table)
    _check_methods(config, table)
    for number, system in enumerate(config.systems):
        row = Model(system.name, "external", (), "file", {}, config.seeds[0])
        _add(table, row, f"systems.{number}.name")
    for name, ablation in config.ablations.items():
        for model in ablation.models():
            check_name(model, table, f"ablations.{name}.arms", "model")
    if config.statistics.compare == "all" and len(table) > MOST_FOR_ALL_PAIRS:
        what = f"{len(table)} models have {len(table) * (len(table) - 1) // 2} pairs"
        raise fault(
            "statistics.compare", what, f"`all` is for up to {MOST_FOR_ALL_PAIRS} models: name baselines or pairs"
        )
    if config.statistics.compare != "all":
        for number, names in enumerate(config.statistics.compare):
            for model in [names] if isinstance(names, str) else names:
                check_name(model, table, f"statistics.compare.{number}", "model")
    if config.judge_validation.systems != "all":
        for number, model in enumerate(config.judge_validation.systems):
            check_name(model, table, f"judge_validation.systems.{number}", "model")
    _check_push(config, table)
    return table


def _add(table: ModelTable, row: Model, key: str) -> None:
    if row.id.lower() in table.taken:
        raise fault(key, f"the id {row.id!r} is taken", "give it another name")
    table.taken.add(row.id.lower())
    table[row.id] = row


def _add_initial(config: Config, table: ModelTable) -> None:
    for name, spec in config.initial.items():
        if parent := _parent(spec):
            check_name(parent, config.initial, f"initial.{name}.parent", "initial model")
    waiting = dict(config.initial)
    while waiting:
        ready = [name for name, spec in waiting.items() if _parent(spec) is None or _parent(spec) in table]
        if not ready:
            raise _circle(waiting)
        for name in ready:
            _add(table, _initial_row(config, table, name), f"initial.{name}")
            del waiting[name]


def _initial_row(config: Config, table: ModelTable, name: str) -> Model:
    spec = config.initial[name]
    parent = _parent(spec)
    if not isinstance(spec, MadeModel):
        kind: Kind = "external" if isinstance(spec, EndpointModel) else "initial"
        return Model(name, kind, (), spec.kind, spec.model_dump(), config.seeds[0])
    if parent and table[parent].method != "made":
        hint = "name a model of kind `made`; pretrained models are trained further by `align`"
        raise fault(f"initial.{name}.parent", f"{parent!r} is {table[parent].method}", hint)
    settings = spec.model_dump(exclude={"parent"}) | {"prompts": config.prompts.model_dump()}
    return Model(name, "initial", (parent,) if parent else (), spec.kind, settings, config.seeds[0])


def _parent(spec: Initial) -> str | None:
    return spec.parent if isinstance(spec, MadeModel) else None


def _circle(waiting: Mapping[str, Initial]) -> MolmixError:
    """The error if every model waits for its parent: some of the models form a circle."""
    path: list[str | None] = []
    name: str | None = next(iter(waiting))
    while name is not None and name not in path:
        path.append(name)
        name = _parent(waiting[name])
    circle = " from ".join(map(repr, [*path[path.index(name) :], name]))
    return fault(f"initial.{name}.parent", f"{circle}: a circle", "remove one of these parents")


def _add_universal(config: Config, table: ModelTable) -> None:
    merges = {
        f"{name}.{recipe}" for name in config.universal for recipe in (*config.merge.methods, *config.merge.search)
    }
    for name, spec in config.universal.items():
        for key, model in (*(("parents", parent) for parent in spec.parents), ("base", spec.base)):
            if model in merges:
                hint = "name an initial model; a merge cannot be merged again, but `align` can start from it"
                raise fault(f"universal.{name}.{key}", f"{model!r} is itself a merge", hint)
            check_name(model, config.initial, f"universal.{name}.{key}", "initial model")
            _check_weights(table, model, f"universal.{name}.{key}")
        for parent in spec.parents:
            if spec.parents.count(parent) > 1:
                raise fault(f"universal.{name}.parents", f"{parent!r} is given twice", "name different models")
            # The ancestors of pretrained models are not known.
            if table[parent].method == "made" and spec.base not in table.ancestry(parent):
                what = f"{spec.base!r} is not an ancestor of {parent!r}, so their difference is no task vector"
                raise fault(f"universal.{name}.base", what, "name the model that all parents were trained from")
        for row in _merges(config, name, tuple(spec.parents), spec.base, config.seeds[0], name):
            _add(table, row, f"universal.{name}")


def _merges(
    config: Config, stem: str, parents: tuple[str, ...], base: str, seed: int, unseeded: str
) -> Iterator[Model]:
    """One merge for each merge method and search that takes these models. Its name is added to `stem`, `unseeded`."""
    dtype = {"dtype": config.merge.dtype} if config.merge.dtype != "float32" or _from_elsewhere(config) else {}
    for key, method in config.merge.recipes().items():
        if method.takes(parents, base):
            name = key.rpartition(".")[2]
            settings = method.for_parents(parents, key).model_dump(by_alias=True) | dtype
            if isinstance(method, Search):
                settings["search"] = method.model_dump(include={"by", "metric", "budget", "molecules"})
                settings["scorer"] = _scorer(config, [method.metric], f"{key}.metric")
            yield Model(f"{stem}.{name}", "merged", parents, name, settings, seed, base, f"{unseeded}.{name}")


def _from_elsewhere(config: Config) -> bool:
    """Whether initial models are pretrained. Up to version 0.2, their merges were stored in the type of their parents,
    and with the type among their settings these are made again.
    """
    return any(isinstance(spec, HubModel) for spec in config.initial.values())


def _seeds(config: Config) -> Iterator[tuple[int, str]]:
    """The seeds, each with its suffix in the ids of aligned models. The first seed has an empty suffix."""
    for number, seed in enumerate(config.seeds):
        yield seed, f"-s{seed}" if number else ""


def _add_aligned_and_merged(config: Config, table: ModelTable) -> None:
    """Add every alignment and every merge of aligned models after the models that it is made from."""
    for name, spec in config.align.items():
        if config.preferences is None and any(map(spec.needs_preferences, config.directions())):
            what = f"required by `align.{name}`, which reads rejected texts, and not given"
            hint = f"say where rejected texts come from, or let the start write them: `align.{name}.rejected: start`"
            raise fault("preferences", what, hint)
    _check_rejected(config, table)
    chosen = list(config.align) if config.merge.alignments is None else config.merge.alignments
    for name in chosen:
        check_name(name, config.align, "merge.alignments", "alignment")
    alignments = [(name, start) for name, spec in config.align.items() for start in spec.starts]
    merges = list(config.merge.starts)
    while alignments or merges:
        waiting = len(alignments) + len(merges)
        for name, start in list(alignments):
            if start in table:
                _add_aligned(config, table, name, start)
                alignments.remove((name, start))
        for start in list(merges):
            names = [name for name, spec in config.align.items() if name in chosen and start in spec.starts]
            aligned = start in table and start not in {other for _, other in alignments}
            # Too few alignments are a fault, but a start that is never made may be its cause, and is named first.
            if aligned and (_sets(config, start, names) or not alignments):
                _add_merged(config, table, start, names)
                merges.remove(start)
        if len(alignments) + len(merges) == waiting:
            raise _unknown_start(config, table, alignments, merges)
    _check_sets(config)


def _add_aligned(config: Config, table: ModelTable, name: str, start: str) -> None:
    """Add the alignment of one start, for every seed. A start that has all seeds is aligned with its own seed."""
    spec = config.align[name]
    _check_weights(table, start, f"align.{name}.starts")
    key, settings = f"align.{name}", spec.resolved() | chat_settings(config.prompts.model_dump())
    settings |= _evaluation(config, spec)
    spec.check(key)
    if spec.metrics:
        settings["scorer"] = _scorer(config, spec.metrics, f"{key}.reward")
    if isinstance(spec.rejected, JudgedPairs):
        scorer = _scorer(config, spec.rejected.metrics, f"{key}.rejected.reward")
        settings |= {"rejected": spec.rejected.model_dump() | {"scorer": scorer}}
    stem = f"{start}.{name}"
    for seed, suffix in _seeds(config):
        parent = _with_seed(table, start, seed)
        if settings.get("adapter") == "continued":
            if not table[parent].is_adapter:
                hint = "name an aligned model with an adapter, or remove `adapter: continued`"
                raise fault(f"{key}.starts", f"{start!r} has no adapter to continue", hint)
            settings = settings | {"lora": table[parent].settings["lora"]}
        _add(table, Model(f"{parent}.{name}{suffix}", "aligned", (parent,), name, settings, seed, unseeded=stem), key)


def _scorer(config: Config, metrics: Iterable[str], key: str) -> dict[str, Any]:
    sections = (config.judges, config.decomposers, config.nli)
    return scorer_settings(metrics, config.metric_options(), *sections, key)


def _evaluation(config: Config, spec: Alignment) -> dict[str, Any]:
    """Settings of the caption metrics at each evaluation of a training; empty without `eval_metrics`."""
    if not spec.eval_metrics:
        return {}
    return {
        "evaluation": {
            "metrics": spec.eval_metrics,
            "molecules": spec.eval_molecules,
            "early_stopping": spec.early_stopping and spec.early_stopping.model_dump(),
            "generation": config.generation.model_dump(),
        }
    }


def _with_seed(table: ModelTable, model: str, seed: int) -> str:
    """The model that differs from `model` in its seed only; `model` itself if there is none, or its id names a seed."""
    if table[model].unseeded != model:
        return model
    return next((row.id for row in table.values() if row.unseeded == model and row.seed == seed), model)


def _unknown_start(
    config: Config, table: ModelTable, alignments: list[tuple[str, str]], merges: list[str]
) -> MolmixError:
    """The error if some alignments and merges wait for a start that is never made."""
    later = {*table, *(f"{start}.{name}" for name, start in alignments)}
    waiting = [(f"align.{name}.starts", name, start) for name, start in alignments]
    for key, name, start in [*waiting, *(("merge.starts", "", start) for start in merges)]:
        if start in later or any(start.startswith(f"{merged}.") for merged in merges):
            continue
        stem, _, last = start.rpartition(".")
        if last not in config.align:
            check_name(start, later, key, "model")
        after, path = {one: start.rpartition(".")[2] for one, start in alignments}, [name]
        while path[-1] in after and path[-1] not in path[:-1]:
            path.append(after[path[-1]])
        if path[-1] in path[:-1]:
            what = f"{start!r} is never made: {' waits for '.join(f'`{one}`' for one in path)}, a circle"
            return fault(key, what, "let one of these alignments start from an initial model")
        what = f"there is no model {start!r}, because `align.{last}` does not start from {stem!r}"
        return fault(key, what, f"add {stem!r} to `align.{last}.starts`")
    raise AssertionError("one of these starts is the shortest, and no other makes it")


def _check_rejected(config: Config, table: ModelTable) -> None:
    for direction, rejected in config.rejected().items():
        if isinstance(rejected, ModelRejected):
            key = f"preferences.rejected.{direction}.model"
            check_name(rejected.model, table, key, "model")
            _check_weights(table, rejected.model, key)
            if table[rejected.model].settings.get("examples"):
                hint = "name another model, or a second entry of `initial` with the same id and without examples"
                raise fault(key, f"{rejected.model!r} is asked with examples, which rejected texts are not", hint)
            if table[rejected.model].kind != "initial":
                hint = "name an initial model: the others are made after the rejected texts"
                raise fault(key, f"{rejected.model!r} is not an initial model", hint)


def _check_weights(table: ModelTable, model: str, key: str) -> None:
    """Refuse to align or merge a model that has no weights here."""
    if model in table and table[model].method == "endpoint":
        hint = "name a model of kind `pretrained` or `made`; this one can only write captions"
        raise fault(key, f"{model!r} is behind an endpoint, and has no weights that could be used here", hint)


def _add_merged(config: Config, table: ModelTable, start: str, names: list[str]) -> None:
    """Add the merges of the models aligned from one start, for every seed."""
    if not _sets(config, start, names):
        if all(isinstance(own, list) for own in config.merge.sets()):
            _check_sets(config)
        what = f"{start!r} has {counted(len(names), 'aligned model')}, and a merge needs two, as `merge.of` says"
        raise fault("merge.starts", what, "add it to the `starts` of more alignments, or remove it here")
    before = len(table)
    for seed, suffix in _seeds(config):
        base = _with_seed(table, start, seed)
        for own in _sets(config, start, names):
            parents = tuple(base if name == START else f"{base}.{name}{suffix}" for name in own)
            every = "_".join(own)
            for row in _merges(config, f"{base}.{every}{suffix}", parents, base, seed, f"{start}.{every}"):
                _add(table, row, "merge.starts")
    if config.merge.recipes() and len(table) == before:
        what = f"no method of `merge.methods` can merge a set of the models aligned from {start!r}"
        raise fault("merge.of", what, "name sets of two models, or add a method that merges more")


def _sets(config: Config, start: str, names: list[str]) -> list[tuple[str, ...]]:
    """The sets of alignments of one start that are merged; in named sets, `start` stands for the start itself.

    Args:
        config: of the study.
        start: id of the start.
        names: the alignments of the start that take part in `pairs` and `all`.
    """
    sets: list[tuple[str, ...]] = []
    for own in config.merge.sets():
        if own == "pairs":
            sets += combinations(names, 2)
        elif own == "all":
            sets += [tuple(names)] * (len(names) > 1)
        elif {*own} <= {START, *_aligned_from(config, start)}:
            sets.append(tuple(own))
    return list(dict.fromkeys(sets))


def _check_sets(config: Config) -> None:
    """Refuse named sets that no start has."""
    for number, own in enumerate(config.merge.sets()):
        if isinstance(own, str):
            continue
        key = f"merge.of.{number}"
        for name in own:
            check_name(name, [*config.align, START], key, "alignment")
        if START in own and START in config.align:
            raise fault(key, f"{START!r} is an alignment here, and the start itself", "rename the alignment")
        if not any({*own} <= {START, *_aligned_from(config, each)} for each in config.merge.starts):
            what = f"no start of `merge.starts` is aligned by all of {', '.join(own)}, so they share no ancestor"
            raise fault(key, what, "name alignments of one start")


def _aligned_from(config: Config, start: str) -> list[str]:
    """Names of the alignments of a start."""
    return [name for name, spec in config.align.items() if start in spec.starts]


def _check_methods(config: Config, table: ModelTable) -> None:
    """Refuse merge methods that can merge none of the sets of models."""
    merged = table.of_kind("merged")
    used = {table[model].method for model in merged}
    for key, method in config.merge.recipes().items():
        if merged and key.rpartition(".")[2] not in used:
            what = f"{method.method} cannot merge any of the sets of models of this study"
            hint = "it merges two models: give `merge.of: pairs`; or it needs two models besides the base"
            raise fault(key, what, hint)


def _check_push(config: Config, table: ModelTable) -> None:
    for name in config.push.models if config.push else []:
        check_name(name, table, "push.models", "model")
        if table[name].kind == "merged" and name not in table.kept(config.merge.keep_weights):
            raise fault("push.models", f"the weights of {name!r} are not kept", "set `merge.keep_weights: true`")
        if table[name].kind not in ("aligned", "merged"):
            hint = "name aligned models and merges"
            raise fault("push.models", f"{name!r} is not a model that this study aligns or merges", hint)
