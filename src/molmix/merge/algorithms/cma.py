"""CMA-ES: evolution of a normal distribution of candidates (Hansen & Ostermeier 2001; the package ``cma``)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from molmix.core.errors import fault
from molmix.core.schema import Number
from molmix.merge.algorithms._shared import Algorithm, Point, coordinates, to_point

SPREAD = 0.25  # initial standard deviation, as a share of the bounds (Hansen's tutorial: about a quarter)


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise ValueError("give the lower bound first, then the upper one")
    return bounds


class Cma(Algorithm):
    """Covariance matrix adaptation: the first candidate is `merge` itself, and each generation learns from the last."""

    algorithm: Literal["cma"]
    bounds: dict[str, Annotated[tuple[Number, Number], AfterValidator(_rising)]] = Field(
        min_length=1,
        description="smallest and largest value of each parameter of `merge`: {density: [0.05, 1.0]}. `weights` are "
        "one number for each parent",
    )

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters."""
        return [*self.bounds]

    def corners(self, sizes: Mapping[str, int]) -> Iterable[Point]:
        """All lower bounds, and all upper bounds."""
        return [to_point(sizes, (self.bounds[name][end] for name in coordinates(sizes))) for end in (0, 1)]

    def check(self, key: str, sizes: Mapping[str, int], budget: int) -> None:
        """Refuse to run without the package."""
        _check_installed(key)

    def candidates(
        self, sizes: Mapping[str, int], start: Point, budget: int, seed: int
    ) -> Generator[Point, float, None]:
        """`start`, then generation after generation until the budget is spent."""
        _check_installed("merge.search")  # the environment of a job may differ
        import cma

        ends = [self.bounds[name] for name in coordinates(sizes)]
        given = [number for name in sizes for number in (start[name] if name == "weights" else [start[name]])]
        unit = [min(1.0, max(0.0, (own - low) / (high - low))) for own, (low, high) in zip(given, ends, strict=True)]
        options = {
            "bounds": [[0.0] * len(ends), [1.0] * len(ends)],
            "maxstd": float("inf"),  # its default limit fails for one number (cma 4.5)
            "seed": seed % 2**31 + 1,  # 0 is the time of day
            "verbose": -9,
        }
        strategy = cma.CMAEvolutionStrategy(unit, SPREAD, options)

        def scaled(numbers: Iterable[float]) -> Point:
            return to_point(sizes, (low + x * (high - low) for x, (low, high) in zip(numbers, ends, strict=True)))

        yield scaled(unit)
        asked = 1
        while True:
            generation = strategy.ask()
            losses = []
            for numbers in generation:
                if asked == budget:
                    return
                losses.append(-(yield scaled(numbers)))
                asked += 1
            strategy.tell(generation, losses)


def _check_installed(key: str) -> None:
    if not find_spec("cma"):
        hint = "pip install 'molmix[search]' (or cma), or take `algorithm: grid`, which needs no package"
        raise fault(key, "`algorithm: cma` needs the package cma, which is not installed", hint)
