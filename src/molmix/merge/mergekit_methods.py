"""The merge methods of mergekit as sections of the config, without importing mergekit (3 s).

``mergekit_methods.json`` describes mergekit's own registry: the parameters of each method with their types and
defaults, and how many models it takes. After a change of mergekit, write the file again: ``python -m
molmix.merge.mergekit_methods``. A test fails if the file is outdated. A file in :mod:`molmix.merge.methods` with the
name of a method takes the place of its description here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, create_model

from molmix.merge.methods._shared import Merge, Setting, ShareSetting, Weighted

SHIPPED = Path(__file__).with_name("mergekit_methods.json")
WEIGHT = "weight"  # the parameter that differs between the parents
_SHARES = ("density", "select_topk")  # parameters that are shares of all weights
_PLAIN = {"bool": bool, "int": Annotated[int, Field(ge=0, le=10**6)]}  # types without a value for each layer


class MergekitMethod(Merge):
    """A method of mergekit that has no file of its own here.

    Attributes:
        parameters: names of the parameters that all parents share, as mergekit calls them.
        base_policy: whether mergekit computes with differences from a base: ``required``, ``optional`` or ``ignored``.
        models: minimum and maximum number of models that mergekit takes, the base included.
        others: minimum and maximum number without the base.
    """

    parameters: ClassVar[tuple[str, ...]]
    base_policy: ClassVar[str]
    models: ClassVar[tuple[int, int | None]]
    others: ClassVar[tuple[int, int | None]]

    def takes(self, parents: Sequence[str], base: str) -> bool:
        """Whether mergekit takes this number of models."""
        used = self._base(parents, base)
        every = len({*parents, *([used] if used else [])})
        return _within(every, self.models) and _within(every - bool(used), self.others)

    def recipe(self, parents: Sequence[str], base: str) -> dict[str, Any]:
        """The parameters as they are in the config."""
        used = self._base(parents, base)
        weights: Sequence[Any] = getattr(self, "weights", None) or [None] * len(parents)
        own = [{"parameters": {WEIGHT: weight}} if weight is not None else {} for weight in weights]
        given = self.model_dump(by_alias=True)
        return {
            "merge_method": self.method,
            **({"base_model": used} if used else {}),
            "models": [{"model": parent} | more for parent, more in zip(parents, own, strict=True)],
            "parameters": {name: given[name] for name in self.parameters},
        }

    def _base(self, parents: Sequence[str], base: str) -> str | None:
        if self.base_policy == "required":
            return parents[0] if self.models[1] == 2 else base  # a method for two models starts from the first
        return base if getattr(self, "task_vectors", False) else None


class _WeightedMethod(Weighted, MergekitMethod):
    pass


def _within(number: int, bounds: tuple[int, int | None]) -> bool:
    least, most = bounds
    return least <= number and (most is None or number <= most)


def sections(without: Sequence[str]) -> dict[str, type[MergekitMethod]]:
    """A section for each method of mergekit that merges two models or more.

    Args:
        without: names of methods that have a file.
    """
    described = json.loads(SHIPPED.read_text(encoding="utf-8"))["methods"]
    return {
        name: _section(name, spec) for name, spec in described.items() if name not in without and spec["models"][1] != 1
    }


def _section(name: str, spec: dict[str, Any]) -> type[MergekitMethod]:
    parameters = {key: entry for key, entry in spec["parameters"].items() if key != WEIGHT}
    fields: dict[str, Any] = {"method": (Literal[name], Field(description="merge method"))}
    if WEIGHT in spec["parameters"]:
        about = "weight of each parent; by default equal parts that sum to 1"
        fields["weights"] = (tuple[Setting, ...] | None, Field(None, min_length=2, description=about))
    if spec["base"] == "optional":
        about = "merge the differences from the base instead of the weights themselves"
        fields["task_vectors"] = (bool, Field(False, description=about))
    for key, entry in parameters.items():
        kind = _PLAIN.get(entry["type"]) or (ShareSetting if key in _SHARES else Setting)
        about = f"parameter `{key}` of mergekit's {name}"
        field = f"{key}_" if key == "lambda" else key
        default = entry.get("default", ...)
        fields[field] = (kind, Field(default, alias=key if field != key else None, description=about))
    base = _WeightedMethod if "weights" in fields else MergekitMethod
    doc = f"{spec['title']}, mergekit's `{name}`" + (f" ({spec['url']})." if spec["url"] else ".")
    made = cast(
        "Any", create_model("".join(map(str.capitalize, name.split("_"))), __base__=base, __doc__=doc, **fields)
    )
    made.parameters, made.base_policy = tuple(parameters), spec["base"]
    made.models, made.others = tuple(spec["models"]), tuple(spec["others"])
    return made


def describe_methods() -> dict[str, Any]:
    """mergekit's registry as plain JSON: the content of the shipped file."""
    from mergekit.merge_methods.registry import registered_methods

    found = {}
    for spec in sorted((method.spec for method in registered_methods()), key=lambda spec: spec.name):
        contract = spec.contract
        found[spec.name] = {
            "title": spec.pretty_name or spec.name,
            "url": spec.reference_url,
            "base": contract.base.value,
            "models": [max(1, contract.min_inputs), contract.max_inputs],
            "others": [contract.min_non_base or 0, contract.max_non_base],
            "parameters": {
                one.name: {"type": getattr(one.value_type, "__name__", str(one.value_type))}
                | ({} if one.required else {"default": one.default})
                for one in spec.parameters
            },
        }
    return {"version": version("mergekit"), "methods": found}


if __name__ == "__main__":
    content = describe_methods()
    lines = (f"{json.dumps(name)}: {json.dumps(spec)}" for name, spec in content["methods"].items())
    head = f'{{\n"version": {json.dumps(content["version"])},\n"methods": {{\n'
    SHIPPED.write_text(head + ",\n".join(lines) + "\n}\n}\n", encoding="utf-8")
