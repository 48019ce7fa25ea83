"""Base class of search algorithms."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from molmix.core.schema import Section

# Parameters of a merge by name: a number, or (`weights`) a list with a number for each parent.
Point = dict[str, Any]


class Algorithm(Section):
    """A way to look for the best parameters of a merge."""

    algorithm: str

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters that are searched."""
        raise NotImplementedError

    def sizes(self, parents: int) -> dict[str, int]:
        """How many numbers each searched parameter has: `weights` one for each parent, all others one."""
        return {name: parents if name == "weights" else 1 for name in self.parameters}

    def corners(self, sizes: Mapping[str, int]) -> Iterable[Point]:
        """Points that must be valid settings, so that every candidate is.

        Args:
            sizes: the result of :meth:`sizes`.
        """
        raise NotImplementedError

    def check(self, key: str, sizes: Mapping[str, int], budget: int) -> None:
        """Refuse a search that cannot run. `key` is the config key of the algorithm.

        Raises:
            MolmixError: it has more candidates than the budget, or a package is not installed.
        """

    def candidates(
        self, sizes: Mapping[str, int], start: Point, budget: int, seed: int
    ) -> Generator[Point, float, None]:
        """Candidates one after the other. Each is answered with its value (``send``); higher is better.

        Args:
            sizes: the result of :meth:`sizes`.
            start: the parameters in the config's `merge`.
            budget: most candidates.
            seed: of random numbers.
        """
        raise NotImplementedError


def coordinates(sizes: Mapping[str, int]) -> Iterator[str]:
    """The parameter of each number of a point, in order."""
    return (name for name, size in sizes.items() for _ in range(size))


def to_point(sizes: Mapping[str, int], numbers: Iterable[float]) -> Point:
    """The point with these numbers, in the order of :func:`coordinates`; rounded, so that tables show what was used."""
    rest = iter(numbers)
    point = {name: [round(float(next(rest)), 4) for _ in range(size)] for name, size in sizes.items()}
    return {name: own if name == "weights" else own[0] for name, own in point.items()}
