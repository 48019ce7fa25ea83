"""Linear merge: a weighted average of weights (model soups, Wortsman et al. 2022; mergekit's ``linear``)."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from molmix.merge.methods._shared import PositiveSetting, Weighted


class Linear(Weighted):
    """Weighted average of the parents: the control for SLERP.

    For the parents' values P, Q, … of a tensor, and their weights v, w, …::

        M = (v P + w Q + …) / (v + w + …)
    """

    method: Literal["linear"]
    weights: tuple[PositiveSetting, ...] | None = Field(
        None, min_length=2, description="weight of each parent, normalised to 1; null is equal parts"
    )

    def recipe(self, parents: Sequence[str], base: str) -> dict[str, Any]:
        """mergekit config. An average needs no `base`."""
        return {
            "merge_method": "linear",
            "models": [
                {"model": parent, "parameters": {"weight": weight}}
                for parent, weight in zip(parents, self.weights or (), strict=True)
            ],
            "parameters": {"normalize": True},
        }
