"""Config sections of merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from molmix.core.plugins import classes, union
from molmix.core.schema import Name, Section
from molmix.merge import methods
from molmix.merge.methods._shared import Merge

METHODS = classes(methods, Merge)
if TYPE_CHECKING:
    MergeMethod = Merge
else:
    MergeMethod = union([*METHODS.values()], "method")


class MergePlan(Section):
    """Align, then merge: every pair of the methods aligned from one start, by every merge method."""

    starts: list[str] = Field([], description="starts whose aligned models are merged pair by pair")
    alignments: list[Name] | None = Field(None, description="alignments that take part; null is all of them")
    methods: dict[Name, MergeMethod] = Field({}, description="merge methods by name")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        exclude_if=lambda dtype: dtype == "float32",
        description="number type that merged weights are stored in. A shorter one halves the disk that they take, and "
        "can erase what was learned: `erased` in the manifest says how much",
    )
    keep_weights: bool = Field(False, description="keep merged full weights; they are temporary otherwise")


def _two(parents: list[str]) -> list[str]:
    if len(parents) != 2:
        raise ValueError("name exactly two initial models")
    return parents


class Universal(Section):
    """Merge, then align: per-task initial models merged by every merge method."""

    parents: Annotated[list[str], AfterValidator(_two), Field(json_schema_extra={"minItems": 2, "maxItems": 2})] = (
        Field(description="two initial models of one shape and tokenizer")
    )
    base: str = Field(description="their common parent, which task vectors are computed against")
