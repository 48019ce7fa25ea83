"""Config sections of merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, WrapValidator

from molmix.core.plugins import classes, union
from molmix.core.schema import Name, Section
from molmix.merge import methods
from molmix.merge.mergekit_methods import sections
from molmix.merge.methods._shared import Merge

METHODS: dict[str, type[Merge]] = classes(methods, Merge)  # type: ignore[type-abstract]
METHODS |= sections(without=[*METHODS])
if TYPE_CHECKING:
    MergeMethod = Merge
else:
    MergeMethod = union([*METHODS.values()], "method")


def _sets(value: Any, _: object) -> Any:
    named = isinstance(value, list) and value
    if value in ("pairs", "all"):
        return value
    if not named or not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in value):
        raise ValueError("give `pairs`, `all`, or a list of lists of alignments")
    if any(len(set(one)) != len(one) or len(one) < 2 for one in value):
        raise ValueError("name two or more different models in each list")
    return value


START = "start"  # in a set of `merge.of`: the start itself


class MergePlan(Section):
    """Align, then merge: sets of the models aligned from one start, by every merge method."""

    starts: list[str] = Field([], description="starts whose aligned models are merged")
    of: Annotated[str | list[list[str]], WrapValidator(_sets)] = Field(
        "pairs",
        exclude_if=lambda of: of == "pairs",
        description="sets of models to merge: `pairs` (each pair of alignments), `all` (all alignments together), or "
        "lists of alignments, such as [[sft, dpo, cpo], [start, sft]], in which `start` is the start itself. A method "
        "leaves out sets of a size that it cannot merge",
    )
    alignments: list[Name] | None = Field(
        None, description="alignments that take part in `pairs` and `all`; null is all of them"
    )
    methods: dict[Name, MergeMethod] = Field(
        {}, description="merge methods by name: linear, slerp, ties, or any method of mergekit with its parameters"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        exclude_if=lambda dtype: dtype == "float32",
        description="number type that merged weights are stored in. A shorter one halves the disk that they take, and "
        "can erase what was learned: `erased` in the manifest says how much",
    )
    keep_weights: bool = Field(False, description="keep merged full weights; they are temporary otherwise")


def _two_or_more(parents: list[str]) -> list[str]:
    if len(parents) < 2:
        raise ValueError("name two or more initial models")
    return parents


class Universal(Section):
    """Merge, then align: per-task initial models merged by every merge method."""

    parents: Annotated[list[str], AfterValidator(_two_or_more), Field(json_schema_extra={"minItems": 2})] = Field(
        description="two or more initial models of one shape and tokenizer"
    )
    base: str = Field(description="their common parent, which task vectors are computed against")
