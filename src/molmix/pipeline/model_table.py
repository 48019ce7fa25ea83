"""The model table: the config expanded into one row a model, which every rule works on.

An id tells how a model came to be, read from left to right: ``agnostic`` is an initial model, ``agnostic.sft``
its SFT policy, ``agnostic.sft_dpo.ties`` the TIES merge of two policies of one start, ``universal.slerp`` a merge
of initial models and ``universal.slerp.cpo`` that merge aligned by CPO. The first seed of the config bears no
mark, a further seed ``s`` adds ``-s<seed>`` to the alignment's name, so that adding a seed renames nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

from molmix.config.checks import check
from molmix.config.schema import Config
from molmix.core.errors import fault
from molmix.core.validation import check_name
from molmix.data.settings import ModelRejected, Prompts
from molmix.generation.vllm_engine import check_served
from molmix.models.settings import HubModel, MadeModel

Kind = Literal["initial", "aligned", "merged", "external"]
RESERVED = ("reference", "planted", "planted-reference")  # authors of captions that are no models


@dataclass(frozen=True)
class Model:
    """One row of the model table.

    Attributes:
        id: short, stable and safe in a path.
        kind: how it is made.
        parents: ids it is made from: the model an initial one goes on from, an aligned one's start, a merge's
            two parents; none of a system whose captions come from elsewhere.
        base: for merges, the common parent that task vectors are taken against.
        unseeded: the id without the mark of its seed: models that share it differ in their seed only.
        method: name of the alignment or merge, or the kind of an initial model.
        settings: everything its making depends on beside its parents, resolved (presets applied).
        seed: seed of its making.
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
        """The templates that it is asked with: its own, or the study's where it has none."""
        return self.settings.get("prompts") or study.model_dump()

    @property
    def start(self) -> str | None:
        """The model that it is measured against: a merge's base, any other's one parent; None where there is none."""
        return self.base or next(iter(self.parents), None)


class ModelTable(dict[str, Model]):
    """Models by id, in an order in which parents come before their children."""

    def lineage(self, model: str) -> list[str]:
        """The models whose weights are needed to load `model`: itself, and what an adapter lies on."""
        row = self[model]
        return [model] + (self.lineage(row.parents[0]) if row.kind == "aligned" else [])

    def ancestry(self, model: str) -> list[str]:
        """A model and all it was made from, a merge's base among them."""
        row = self[model]
        above = [*row.parents, *([row.base] if row.base else [])]
        return list(dict.fromkeys([model, *(one for name in above for one in self.ancestry(name))]))

    def kept(self, every: bool) -> list[str]:
        """Merges whose weights are kept: those that other models start from, or all of them (`merge.keep_weights`)."""
        starts = {row.parents[0] for row in self.values() if row.kind == "aligned"}
        return [model for model in self.of_kind("merged") if every or model in starts]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Ids of the models of some kinds."""
        return [row.id for row in self.values() if row.kind in kinds]


def build(config: Config) -> ModelTable:
    """Expand a config into its model table.

    Raises:
        MolmixError: a name that does not exist, a loop, ids that clash, a setting the method does not have.
    """
    check(config)
    table = ModelTable()
    _initial(config, table)
    _universal(config, table)
    _aligned(config, table)
    _merged(config, table)
    for place, system in enumerate(config.systems):
        row = Model(system.name, "external", (), "file", {}, config.seeds[0])
        _add(table, row, f"systems.{place}.name")
    for name, ablation in config.ablations.items():
        for model in ablation.models():
            _known(table, model, f"ablations.{name}.arms")
    _pushed(config, table)
    if not table:
        raise fault("config", "there is no model and no system", "give `initial` or `systems`")
    return table


def _add(table: ModelTable, row: Model, key: str) -> None:
    if row.id.lower() in {name.lower() for name in (*table, *RESERVED)}:  # some file systems take A for a
        raise fault(key, f"the id {row.id!r} is taken", "give it another name")
    table[row.id] = row


def _known(table: ModelTable, name: str, key: str) -> Model:
    check_name(name, table, key, "model")
    return table[name]


def _initial(config: Config, table: ModelTable) -> None:
    waiting = dict(config.initial)
    while waiting:
        ready = [name for name, spec in waiting.items() if _parent(spec) is None or _parent(spec) in table]
        for name in ready:
            spec = waiting.pop(name)
            parent, settings = _parent(spec), spec.model_dump()
            if isinstance(spec, MadeModel):
                if parent and table[parent].method != "made":
                    key, what = f"initial.{name}.parent", f"{parent!r} is pretrained"
                    raise fault(key, what, "models made in the graph go on from made ones; align pretrained ones")
                settings = spec.model_dump(exclude={"parent"}) | {"prompts": config.prompts.model_dump()}
            parents = (parent,) if parent else ()
            _add(table, Model(name, "initial", parents, spec.kind, settings, config.seeds[0]), f"initial.{name}")
        if waiting and not ready:
            name, spec = next(iter(waiting.items()))
            what = "is itself waiting for a parent" if _parent(spec) in waiting else "does not exist"
            hint = "name an initial model that can be made first"
            raise fault(f"initial.{name}.parent", f"{_parent(spec)!r} {what}", hint)


def _parent(spec: HubModel | MadeModel) -> str | None:
    return spec.parent if isinstance(spec, MadeModel) else None


def _universal(config: Config, table: ModelTable) -> None:
    for name, spec in config.universal.items():
        for parent in (*spec.parents, spec.base):
            _known(table, parent, f"universal.{name}")
        if spec.parents[0] == spec.parents[1]:
            raise fault(
                f"universal.{name}.parents",
                f"{spec.parents[0]!r} is given twice",
                "name two different models",
            )
        _merge_by_every_method(config, table, name, spec.parents, spec.base, config.seeds[0], f"universal.{name}")


def _merge_by_every_method(
    config: Config,
    table: ModelTable,
    stem: str,
    parents: tuple[str, str],
    base: str,
    seed: int,
    key: str,
    mark: str = "",
) -> None:
    for name, method in config.merge.methods.items():
        settings = method.model_dump(by_alias=True)
        row = Model(f"{stem}{mark}.{name}", "merged", parents, name, settings, seed, base, f"{stem}.{name}")
        _add(table, row, key)


def _aligned(config: Config, table: ModelTable) -> None:
    if config.align and config.preferences is None:
        raise fault("preferences", "missing, and `align` is not empty", "say where rejected texts come from")
    for direction, rejected in config.rejected().items():
        if isinstance(rejected, ModelRejected):
            row = _known(table, rejected.model, f"preferences.rejected.{direction}.model")
            if row.kind != "initial":
                raise fault(
                    f"preferences.rejected.{direction}.model",
                    f"{row.id!r} is no initial model",
                    "aligned models come after the pairs: name an initial model",
                )
    for name, spec in config.align.items():
        settings = spec.resolved()
        if config.generation.backend == "vllm":
            check_served(f"align.{name}", settings["lora"])
        for start in spec.starts:
            _known(table, start, f"align.{name}.starts")
            if table[start].kind == "aligned":
                raise fault(f"align.{name}.starts", f"{start!r} is itself aligned", "name an initial or merged model")
            for number, seed in enumerate(config.seeds):
                mark = f"-s{seed}" if number else ""
                stem = f"{start}.{name}"
                row = Model(f"{stem}{mark}", "aligned", (start,), name, settings, seed, unseeded=stem)
                _add(table, row, f"align.{name}")


def _merged(config: Config, table: ModelTable) -> None:
    chosen = list(config.align) if config.merge.alignments is None else config.merge.alignments
    for name in chosen:
        check_name(name, config.align, "merge.alignments", "alignment")
    for start in config.merge.starts:
        _known(table, start, "merge.starts")
        for number, seed in enumerate(config.seeds):
            mark = f"-s{seed}" if number else ""
            names = [name for name, spec in config.align.items() if name in chosen and start in spec.starts]
            if len(names) < 2:
                raise fault("merge.starts", f"{start!r} has {len(names)} aligned model(s)", "align it by two or more")
            for first, second in combinations(names, 2):
                parents = (f"{start}.{first}{mark}", f"{start}.{second}{mark}")
                stem = f"{start}.{first}_{second}"
                _merge_by_every_method(config, table, stem, parents, start, seed, "merge.starts", mark)


def _pushed(config: Config, table: ModelTable) -> None:
    for name in config.push.models if config.push else []:
        row = _known(table, name, "push.models")
        if row.kind == "merged" and name not in table.kept(config.merge.keep_weights):
            raise fault("push.models", f"the weights of {name!r} are not kept", "set `merge.keep_weights: true`")
        if row.kind not in ("aligned", "merged"):
            raise fault("push.models", f"{name!r} was not made here", "name aligned models and merges")
