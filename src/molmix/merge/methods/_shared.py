"""Base class of merge methods, and types of their parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import WrapValidator
from pydantic_core import PydanticCustomError

from molmix.core.errors import counted, fault
from molmix.core.schema import Section


class Merge(Section):
    """A method that merges models by mergekit. Each file of this folder has one subclass."""

    method: str

    def takes(self, parents: Sequence[str], base: str) -> bool:
        """Whether the method can merge these models. Sets that it cannot merge are left out of a study.

        Args:
            parents: ids of the models.
            base: id of their common parent, which can be one of them.
        """
        return len(parents) >= 2

    def for_parents(self, parents: Sequence[str], key: str) -> Self:
        """The method with the settings for these parents.

        Args:
            parents: ids of the models.
            key: config key of the method.

        Raises:
            MolmixError: the settings are for another number of parents.
        """
        return self

    def recipe(self, parents: Sequence[str], base: str) -> dict[str, Any]:
        """The mergekit config without number types, which molmix adds.

        Args:
            parents: ids of the models.
            base: id of their common parent; task vectors are differences from it.

        Returns:
            A mergekit config as plain data, with ids instead of model paths.
        """
        raise NotImplementedError


class Weighted(Merge):
    """A method with a weight for each parent. If `weights` is null, the parents have equal parts that sum to 1."""

    def for_parents(self, parents: Sequence[str], key: str) -> Self:
        """The method with as many weights as there are parents."""
        number, given = len(parents), getattr(self, "weights", None)
        if given is None:
            return self.model_copy(update={"weights": (1 / number,) * number})
        if len(given) != number:
            what = f"{counted(len(given), 'weight')} for a merge of {number} models ({', '.join(parents)})"
            raise fault(f"{key}.weights", what, f"give {number}, or leave `weights` out for equal parts")
        return self


def setting(*, above: float | None = None, least: float = -math.inf, most: float = math.inf) -> Any:
    """Type of a number that can differ between layers and tensors, as mergekit takes it.

    It is a number; a list of numbers, from the first layer to the last, between which mergekit interpolates; or a list
    of ``{filter: text, value: …}``, of which the first one whose text is in a tensor's name is used. The last one has
    no filter.

    Args:
        above: a plain number must be larger. Numbers in lists can also be equal to it.
        least, most: bounds of all numbers.
    """

    def in_bounds(value: Any, *, plain: bool) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if isinstance(value, int) and abs(value) > 2**53:  # no float holds every larger whole number
            return False
        return (
            math.isfinite(value)
            and least <= value <= most
            and (above is None or value > above or (not plain and value == above))
        )

    def checked(value: Any) -> Any:
        if in_bounds(value, plain=True):
            return float(value)
        if not isinstance(value, list) or not value:
            raise ValueError
        if all(in_bounds(one, plain=False) for one in value):
            return [float(one) for one in value]
        known = {"filter", "value"}
        found = [dict(one) for one in value if isinstance(one, dict) and {"value"} <= one.keys() <= known]
        filters = [one.get("filter") for one in found]
        if len(found) != len(value) or filters[-1] is not None or not all(isinstance(f, str) for f in filters[:-1]):
            raise ValueError
        numbers = [one["value"] if isinstance(one["value"], list) else [one["value"]] for one in found]
        if not all(part and all(in_bounds(number, plain=False) for number in part) for part in numbers):
            raise ValueError
        return found

    said = "a number"
    said += f" above {above:g}" if above is not None else f" of at least {least:g}" if math.isfinite(least) else ""
    said += f" and at most {most:g}" if math.isfinite(most) else ""

    def check(value: Any, _: object) -> Any:
        try:
            return checked(value)
        except ValueError:
            message = (
                "give {said}, a list of numbers from the first layer to the last, or a list of "
                "{filter: text, value: number} that ends with {value: number}"
            )
            raise PydanticCustomError("setting", message, {"said": said}) from None  # type: ignore[misc]

    return Annotated[float | list[float | dict[str, Any]], WrapValidator(check)]


if TYPE_CHECKING:
    Setting = float | list[float | dict[str, Any]]
    LeastZeroSetting = float | list[float | dict[str, Any]]
    ShareSetting = float | list[float | dict[str, Any]]
    PositiveShareSetting = float | list[float | dict[str, Any]]
else:
    Setting = setting()
    LeastZeroSetting = setting(least=0)
    ShareSetting = setting(least=0, most=1)
    PositiveShareSetting = setting(above=0, least=0, most=1)
