"""Grid search: every combination of some values."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from itertools import product
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from molmix.core.errors import fault
from molmix.merge.algorithms._shared import Algorithm, Point, coordinates, to_point


class Grid(Algorithm):
    """Every combination of the values of some parameters."""

    algorithm: Literal["grid"]
    values: dict[str, Annotated[list[float], Field(min_length=1)]] = Field(
        min_length=1,
        description="values of each parameter of `merge`: {density: [0.1, 0.2, 0.5]}. Those of `weights` are tried for "
        "each parent",
    )

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters."""
        return [*self.values]

    def corners(self, sizes: Mapping[str, int]) -> Iterable[Point]:
        """All values, each once."""
        most = max(map(len, self.values.values()))
        rows = [{name: own[min(i, len(own) - 1)] for name, own in self.values.items()} for i in range(most)]
        return [to_point(sizes, (row[name] for name in coordinates(sizes))) for row in rows]

    def check(self, key: str, sizes: Mapping[str, int], budget: int) -> None:
        """Refuse a grid that is larger than the budget."""
        number = prod(len(self.values[name]) for name in coordinates(sizes))
        if number > budget:
            what = f"the grid has {number} candidates, and `budget` is {budget}"
            raise fault(f"{key}.values", what, "give fewer values, raise `budget`, or take `algorithm: cma`")

    def candidates(
        self, sizes: Mapping[str, int], start: Point, budget: int, seed: int
    ) -> Generator[Point, float, None]:
        """The combinations in order, whatever their values are."""
        for numbers in product(*(self.values[name] for name in coordinates(sizes))):
            yield to_point(sizes, numbers)
