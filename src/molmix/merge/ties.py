"""TIES: trim, elect sign and merge of task vectors (Yadav et al. 2023, arXiv 2306.01708; mergekit's ``ties``)."""

from typing import Any, Literal

from pydantic import Field

from molmix.schema import Section, Share


class Ties(Section):
    """Trim, elect sign and merge of task vectors (Yadav et al. 2023)."""

    method: Literal["ties"]
    density: Share = Field(0.2, description="share of each task vector that is kept")
    weights: tuple[float, float] = Field((0.5, 0.5), description="weight of each parent's task vector")
    normalize: bool = Field(True, description="divide by the weights that agree in sign")
    lambda_: float = Field(1.0, alias="lambda", description="scale of the merged task vector")

    def recipe(self, parents: tuple[str, str], base: str) -> dict[str, Any]:
        """mergekit config for two model folders whose task vectors are taken against the folder `base`."""
        return {
            "merge_method": "ties",
            "base_model": base,
            "models": [
                {"model": parent, "parameters": {"weight": weight, "density": self.density}}
                for parent, weight in zip(parents, self.weights, strict=True)
            ],
            "parameters": {"normalize": self.normalize, "lambda": self.lambda_},
        }
