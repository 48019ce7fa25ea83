"""Grid search: every combination of some values."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from itertools import product
from math import prod
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from molmix.core.errors import counted, fault
from molmix.core.schema import Number
from molmix.merge.algorithms._shared import Algorithm, Point, coordinates, to_point


def _distinct(values: list[float]) -> list[float]:
    if len(set(values)) < len(values):
        raise ValueError("give every value once")
    return values


class Grid(Algorithm):
    """Every combination of the values of some parameters."""

    algorithm: Literal["grid"]
    values: dict[str, Annotated[list[Number], Field(min_length=1), AfterValidator(_distinct)]] = Field(
        min_length=1,
        description="values of each parameter of `merge`: {density: [0.1, 0.2, 0.5]}. Those of `weights` are tried for "
        "each parent; weights that are all 0 are left out",
    )

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters."""
        return [*self.values]

    def corners(self, sizes: Mapping[str, int]) -> Iterable[Point]:
        """Points that together hold every value. The weights of two parents differ, if there are two values."""
        most = max(map(len, self.values.values()))
        wheels = [(self.values[name], shift) for name, size in sizes.items() for shift in range(size)]
        return [to_point(sizes, (own[(i + shift) % len(own)] for own, shift in wheels)) for i in range(most)]

    def check(self, key: str, sizes: Mapping[str, int], budget: int) -> None:
        """Refuse a grid without a candidate, and one that is larger than the budget."""
        number = prod(len(self.values[name]) for name in coordinates(sizes))
        if 0 in self.values.get("weights", ()):
            number -= prod(len(own) for name, own in self.values.items() if name != "weights")
        if not number:
            raise fault(f"{key}.values.weights", "0 alone, and no parent would have a weight", "give other values, too")
        if number > budget:
            what = f"the grid has {counted(number, 'candidate')}, and `budget` is {budget}"
            raise fault(f"{key}.values", what, "give fewer values, raise `budget`, or take `algorithm: cma`")

    def candidates(
        self, sizes: Mapping[str, int], start: Point, budget: int, seed: int
    ) -> Generator[Point, float, None]:
        """The combinations in order, whatever their values are, without those in which no parent has a weight."""
        for numbers in product(*(self.values[name] for name in coordinates(sizes))):
            point = to_point(sizes, numbers)
            if any(point.get("weights", (1,))):
                yield point
