"""Linear merge: a weighted average of weights (model soups, Wortsman et al. 2022; mergekit's ``linear``)."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from molmix.merge.methods._shared import Merge, Positive


class Linear(Merge):
    """Weighted average of the parents: the control for SLERP.

    For the parents' values P and Q of a tensor, and the two weights v and w::

        M = (v P + w Q) / (v + w)
    """

    method: Literal["linear"]
    weights: tuple[Positive, Positive] = Field((0.5, 0.5), description="weight of each parent, normalised to 1")

    def recipe(self, parents: Sequence[str], base: str) -> dict[str, Any]:
        """mergekit config for two models. An average needs no `base`."""
        return {
            "merge_method": "linear",
            "models": [
                {"model": parent, "parameters": {"weight": weight}}
                for parent, weight in zip(parents, self.weights, strict=True)
            ],
            "parameters": {"normalize": True},
        }
