"""Linear merge: a weighted average of weights (model soups, Wortsman et al. 2022; mergekit's ``linear``)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from molmix.merge.methods._shared import LeastZeroSetting, Weighted


def _not_all_zero(weights: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if weights is not None and all(weight == 0 for weight in weights):
        raise ValueError("give at least one weight above 0")
    return weights


class Linear(Weighted):
    """Weighted average of the parents: the control for SLERP.

    For the parents' values P, Q, … of a tensor, and their weights v, w, …::

        M = (v P + w Q + …) / (v + w + …)
    """

    method: Literal["linear"]
    weights: Annotated[tuple[LeastZeroSetting, ...] | None, AfterValidator(_not_all_zero)] = Field(
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
