"""Config sections of merges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, WrapValidator

from molmix.core.errors import fault
from molmix.core.plugins import classes, union
from molmix.core.schema import Count, Name, Section
from molmix.core.validation import check_name, hint_for
from molmix.merge import algorithms, methods
from molmix.merge.algorithms._shared import Algorithm, Point
from molmix.merge.mergekit_methods import sections
from molmix.merge.methods._shared import Merge

METHODS: dict[str, type[Merge]] = classes(methods, Merge)  # type: ignore[type-abstract]
METHODS |= sections(without=[*METHODS])
if TYPE_CHECKING:
    MergeMethod = Merge
else:
    MergeMethod = union([*METHODS.values()], "method")

ALGORITHMS: dict[str, type[Algorithm]] = classes(algorithms, Algorithm)
if TYPE_CHECKING:
    SearchAlgorithm = Algorithm
else:
    SearchAlgorithm = union([*ALGORITHMS.values()], "algorithm")


WORDS = ("pairs", "all")  # in `merge.of`


def _sets(value: Any, _: object) -> Any:
    named = [one for one in value if one not in WORDS] if isinstance(value, list) else []
    if value in WORDS:
        return value
    if (not value or not isinstance(value, list)) or not all(
        isinstance(one, list) and all(isinstance(name, str) for name in one) for one in named
    ):
        raise ValueError("give `pairs`, `all`, or a list of lists of alignments and these words")
    if any(len(set(one)) != len(one) or len(one) < 2 for one in named):
        raise ValueError("name two or more different models in each list")
    return value


def _only_validation(split: Any, _: object) -> Any:
    if split != "validation":
        raise ValueError("give `validation`: a test set that weights are chosen on no longer tests them")
    return split


class Search(Section):
    """A merge whose parameters are searched: those with the best captions for molecules of the validation split."""

    merge: MergeMethod = Field(description="merge method, with the parameters that are not searched")
    by: SearchAlgorithm = Field(description="how candidates are chosen: `grid` or `cma`")
    metric: str = Field(
        "bleu4",
        description="metric to choose by: a column of leaderboard.csv, such as bleu4, f1, or atomic_f1 of a judge",
    )
    budget: Count = Field(50, description="largest number of candidates. Each is merged, and writes captions")
    molecules: Count = Field(64, description="number of molecules of validation, drawn with the seed; all if fewer")
    on: Annotated[str, WrapValidator(_only_validation)] = Field(
        "validation",
        exclude_if=lambda split: split == "validation",
        description="split that the captions are written for; only `validation`",
    )

    @property
    def method(self) -> str:
        """Name of the merge method."""
        return self.merge.method

    def takes(self, parents: Sequence[str], base: str) -> bool:
        """Whether the method can merge these models."""
        return self.merge.takes(parents, base)

    def for_parents(self, parents: Sequence[str], key: str) -> Merge:
        """The merge that the search starts from.

        Raises:
            MolmixError: a parameter does not exist, a candidate would be refused, or the search cannot run.
        """
        known = {field.alias or name for name, field in type(self.merge).model_fields.items()} - {"method"}
        for name in self.by.parameters:
            check_name(name, known, f"{key}.by", f"parameter of {self.merge.method}")
        start = self.merge.for_parents(parents, f"{key}.merge")
        sizes = self.by.sizes(len(parents))
        for point in self.by.corners(sizes):
            try:
                with_point(start, point)
            except ValidationError as error:
                first = error.errors()[0]
                value = point.get(str(first["loc"][0]), point)
                what = f"{first['loc'][0]} of {value} is no setting of {self.merge.method}"
                raise fault(f"{key}.by", what, hint_for(first)) from None
        self.by.check(f"{key}.by", sizes, self.budget)
        return start


def with_point(merge: Merge, point: Point) -> Merge:
    """A merge with some other parameters."""
    return type(merge)(**merge.model_dump(by_alias=True) | point)


START = "start"  # in a set of `merge.of`: the start itself


class MergePlan(Section):
    """Align, then merge: sets of the models aligned from one start, by every merge method."""

    starts: list[str] = Field([], description="starts whose aligned models are merged")
    of: Annotated[str | list[str | list[str]], WrapValidator(_sets)] = Field(
        "pairs",
        exclude_if=lambda of: of == "pairs",
        description="sets of models to merge: `pairs` (each pair of alignments), `all` (all alignments together), or "
        "lists of alignments, such as [pairs, [sft, dpo, cpo], [start, sft]], in which `start` is the start itself. A "
        "method leaves out sets of a size that it cannot merge",
    )
    alignments: list[Name] | None = Field(
        None, description="alignments that take part in `pairs` and `all`; null is all of them"
    )
    methods: dict[Name, MergeMethod] = Field(
        {}, description="merge methods by name: linear, slerp, ties, or any method of mergekit with its parameters"
    )
    search: dict[Name, Search] = Field(
        {},
        exclude_if=lambda searches: not searches,
        description="merges whose weights are searched, by name (docs/merges.md). Each becomes a model like those of "
        "`methods`",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        exclude_if=lambda dtype: dtype == "float32",
        description="number type that merged weights are stored in. A shorter one halves the disk that they take, and "
        "can erase what was learned: `erased` in the manifest says how much",
    )
    keep_weights: bool = Field(False, description="keep merged full weights; they are temporary otherwise")

    def sets(self) -> list[str | list[str]]:
        """The parts of `of`: `pairs`, `all`, or lists of alignments."""
        return [self.of] if isinstance(self.of, str) else self.of

    def recipes(self) -> dict[str, Merge | Search]:
        """The merge methods and the searches by config key, which ends with their name."""
        named: dict[str, Merge | Search] = {f"merge.methods.{name}": method for name, method in self.methods.items()}
        return named | {f"merge.search.{name}": search for name, search in self.search.items()}


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
