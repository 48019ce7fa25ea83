"""What the merge methods share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from molmix.core.schema import Section

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Merge(Section):
    """A method that merges two models by mergekit. Subclasses are the methods, one in each file of this folder."""

    method: str

    def recipe(self, parents: tuple[str, str], base: str) -> dict[str, Any]:
        """The mergekit config, without the types of numbers, which molmix adds.

        Args:
            parents: ids of the two models.
            base: id of their common parent, which task vectors are taken against.

        Returns:
            A mergekit config as plain data, with ids where mergekit has models.
        """
        raise NotImplementedError
