"""The model table: one row for each model of the config. All rules use it.

The id of a model says how it is made, from left to right: ``agnostic`` is an initial model, ``agnostic.sft`` its SFT
policy, ``agnostic.sft_dpo.ties`` the TIES merge of two policies with the same start, ``universal.slerp`` a merge of
initial models, and ``universal.slerp.cpo`` that merge aligned by CPO. Each seed after the first adds ``-s<seed>`` to
the name of the alignment. The first seed adds nothing, so adding a seed to the config renames no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

from molmix.config.checks import check
from molmix.config.schema import Config
from molmix.core.errors import MolmixError, fault
from molmix.core.validation import check_name
from molmix.data.settings import ModelRejected, Prompts
from molmix.generation.engines import ENGINES
from molmix.models.settings import HubModel, MadeModel

Kind = Literal["initial", "aligned", "merged", "external"]
RESERVED = ("reference", "planted", "planted-reference")  # authors of captions that are not models


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

    def prompts(self, study: Prompts) -> dict[str, str]:
        """The prompt templates by direction: those in its settings, or else the study's."""
        return self.settings.get("prompts") or study.model_dump()

    @property
    def start(self) -> str | None:
        """The model that it is compared with: the base of a merge, else the parent; None without a parent."""
        return self.base or next(iter(self.parents), None)


class ModelTable(dict[str, Model]):
    """Models by id. Parents come before their children."""

    def lineage(self, model: str) -> list[str]:
        """The models whose weights are read to load `model`: itself, and the start if it is an adapter."""
        row = self[model]
        return [model] + (self.lineage(row.parents[0]) if row.kind == "aligned" else [])

    def ancestry(self, model: str) -> list[str]:
        """A model and all models that it was made from, including the bases of merges."""
        row = self[model]
        above = [*row.parents, *([row.base] if row.base else [])]
        return list(dict.fromkeys([model, *(one for name in above for one in self.ancestry(name))]))

    def merged_from(self, model: str) -> list[str]:
        """The models whose weights a merge reads: its parents and its base, each once."""
        row = self[model]
        return list(dict.fromkeys([*row.parents, *([row.base] if row.base else [])]))

    def kept(self, every: bool) -> list[str]:
        """Merges whose weights are kept: those that models are aligned from, or all (`every`, `merge.keep_weights`)."""
        starts = {row.parents[0] for row in self.values() if row.kind == "aligned"}
        return [model for model in self.of_kind("merged") if every or model in starts]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Ids of the models of some kinds."""
        return [row.id for row in self.values() if row.kind in kinds]


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
    _add_aligned(config, table)
    _add_merged(config, table)
    for number, system in enumerate(config.systems):
        row = Model(system.name, "external", (), "file", {}, config.seeds[0])
        _add(table, row, f"systems.{number}.name")
    for name, ablation in config.ablations.items():
        for model in ablation.models():
            check_name(model, table, f"ablations.{name}.arms", "model")
    if config.judge_validation.systems != "all":
        for number, model in enumerate(config.judge_validation.systems):
            check_name(model, table, f"judge_validation.systems.{number}", "model")
    _check_push(config, table)
    return table


def _add(table: ModelTable, row: Model, key: str) -> None:
    if row.id.lower() in {name.lower() for name in (*table, *RESERVED)}:  # on some file systems A and a are one name
        raise fault(key, f"the id {row.id!r} is taken", "give it another name")
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
        return Model(name, "initial", (), spec.kind, spec.model_dump(), config.seeds[0])
    if parent and table[parent].method != "made":
        hint = "name a model of kind `made`; pretrained models are trained further by `align`"
        raise fault(f"initial.{name}.parent", f"{parent!r} is pretrained", hint)
    settings = spec.model_dump(exclude={"parent"}) | {"prompts": config.prompts.model_dump()}
    return Model(name, "initial", (parent,) if parent else (), spec.kind, settings, config.seeds[0])


def _parent(spec: HubModel | MadeModel) -> str | None:
    return spec.parent if isinstance(spec, MadeModel) else None


def _circle(waiting: Mapping[str, HubModel | MadeModel]) -> MolmixError:
    """The error if every model waits for its parent: some of the models form a circle."""
    path: list[str | None] = []
    name: str | None = next(iter(waiting))
    while name is not None and name not in path:
        path.append(name)
        name = _parent(waiting[name])
    circle = " from ".join(map(repr, [*path[path.index(name) :], name]))
    return fault(f"initial.{name}.parent", f"{circle}: a circle", "remove one of these parents")


def _add_universal(config: Config, table: ModelTable) -> None:
    merges = {f"{name}.{method}" for name in config.universal for method in config.merge.methods}
    for name, spec in config.universal.items():
        for key, model in (("parents", spec.parents[0]), ("parents", spec.parents[1]), ("base", spec.base)):
            if model in merges:
                hint = "name an initial model; a merge cannot be merged again, but `align` can start from it"
                raise fault(f"universal.{name}.{key}", f"{model!r} is itself a merge", hint)
            check_name(model, config.initial, f"universal.{name}.{key}", "initial model")
        first, second = spec.parents
        if first == second:
            raise fault(f"universal.{name}.parents", f"{first!r} is given twice", "name two different models")
        for row in _merges(config, name, (first, second), spec.base, config.seeds[0]):
            _add(table, row, f"universal.{name}")


def _merges(
    config: Config, stem: str, parents: tuple[str, str], base: str, seed: int, suffix: str = ""
) -> Iterator[Model]:
    """One merge of two models for each merge method. `suffix` is that of the seed, see :func:`_seeds`."""
    dtype = {"dtype": config.merge.dtype} if config.merge.dtype != "float32" or _from_elsewhere(config) else {}
    for name, method in config.merge.methods.items():
        settings = method.model_dump(by_alias=True) | dtype
        yield Model(f"{stem}{suffix}.{name}", "merged", parents, name, settings, seed, base, f"{stem}.{name}")


def _from_elsewhere(config: Config) -> bool:
    """Whether initial models are pretrained. Up to version 0.2, their merges were stored in the type of their parents,
    and with the type among their settings these are made again.
    """
    return any(isinstance(spec, HubModel) for spec in config.initial.values())


def _seeds(config: Config) -> Iterator[tuple[int, str]]:
    """The seeds, each with its suffix in the ids of aligned models. The first seed has an empty suffix."""
    for number, seed in enumerate(config.seeds):
        yield seed, f"-s{seed}" if number else ""


def _add_aligned(config: Config, table: ModelTable) -> None:
    if config.align and config.preferences is None:
        raise fault("preferences", "required by `align`, and not given", "say where rejected texts come from")
    _check_rejected(config, table)
    for name, spec in config.align.items():
        settings = spec.resolved()
        ENGINES[config.generation.engine].check_adapter(f"align.{name}", settings["lora"])
        for start in spec.starts:
            check_name(start, table, f"align.{name}.starts", "model")
            if table[start].kind == "aligned":
                raise fault(f"align.{name}.starts", f"{start!r} is itself aligned", "name an initial or merged model")
            stem = f"{start}.{name}"
            for seed, suffix in _seeds(config):
                row = Model(f"{stem}{suffix}", "aligned", (start,), name, settings, seed, unseeded=stem)
                _add(table, row, f"align.{name}")


def _check_rejected(config: Config, table: ModelTable) -> None:
    for direction, rejected in config.rejected().items():
        if isinstance(rejected, ModelRejected):
            key = f"preferences.rejected.{direction}.model"
            check_name(rejected.model, table, key, "model")
            if table[rejected.model].kind != "initial":
                hint = "name an initial model: the others are made after the rejected texts"
                raise fault(key, f"{rejected.model!r} is not an initial model", hint)


def _add_merged(config: Config, table: ModelTable) -> None:
    chosen = list(config.align) if config.merge.alignments is None else config.merge.alignments
    for name in chosen:
        check_name(name, config.align, "merge.alignments", "alignment")
    for start in config.merge.starts:
        check_name(start, table, "merge.starts", "model")
        names = [name for name, spec in config.align.items() if name in chosen and start in spec.starts]
        if len(names) < 2:
            what = f"{start!r} has {len(names)} aligned model(s), and a merge needs two"
            raise fault("merge.starts", what, "add it to the `starts` of more alignments, or remove it here")
        for seed, suffix in _seeds(config):
            for first, second in combinations(names, 2):
                parents = (f"{start}.{first}{suffix}", f"{start}.{second}{suffix}")
                for row in _merges(config, f"{start}.{first}_{second}", parents, start, seed, suffix):
                    _add(table, row, "merge.starts")


def _check_push(config: Config, table: ModelTable) -> None:
    for name in config.push.models if config.push else []:
        check_name(name, table, "push.models", "model")
        if table[name].kind == "merged" and name not in table.kept(config.merge.keep_weights):
            raise fault("push.models", f"the weights of {name!r} are not kept", "set `merge.keep_weights: true`")
        if table[name].kind not in ("aligned", "merged"):
            hint = "name aligned models and merges"
            raise fault("push.models", f"{name!r} is not a model that this study aligns or merges", hint)
