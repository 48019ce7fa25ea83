"""TIES: trim, elect sign and merge (Yadav et al. 2023, arXiv 2306.01708; mergekit's ``ties``)."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from molmix.merge.methods._shared import PositiveShareSetting, Setting, Weighted


class Ties(Weighted):
    """Trim, elect sign and merge of task vectors.

    Tensor by tensor, for the parents' values P, Q, …, the base's B, and their weights v, w, …::

        τ = trim(P - B), σ = trim(Q - B), …        the `density` largest by magnitude, the others 0
        γ = sign(v τ + w σ + …)                    elected for each number; + where it is 0
        M = B + lambda · (v τ[γ] + w σ[γ] + …)     τ[γ]: τ where its sign is γ, 0 elsewhere

    The defaults are those of "Less for More" (arXiv 2405.13984): the top 20 % of each task vector, halves
    (with n parents, n-th parts) added. With `normalize` the sum is divided by the weights of those that agree
    with γ: this is the mean of Yadav et al., and their default, with density 0.2.
    """

    method: Literal["ties"]
    density: PositiveShareSetting = Field(0.2, description="share of each task vector that is kept, by magnitude")
    weights: tuple[Setting, ...] | None = Field(
        None,
        min_length=2,
        description="weight of each parent's task vector; null is equal parts that sum to 1",
    )
    normalize: bool = Field(
        False,
        description="divide by the weights that agree in sign, as Yadav et al. do; `false` adds the weighted "
        "task vectors (by default halves), as Less for More does",
    )
    lambda_: Setting = Field(1.0, alias="lambda", description="scale of the merged task vector")

    def recipe(self, parents: Sequence[str], base: str) -> dict[str, Any]:
        """mergekit config with the task vectors' `base`."""
        return {
            "merge_method": "ties",
            "base_model": base,
            "models": [
                {"model": parent, "parameters": {"weight": weight, "density": self.density}}
                for parent, weight in zip(parents, self.weights or (), strict=True)
            ],
            "parameters": {"normalize": self.normalize, "lambda": self.lambda_},
        }
