"""Base class of merge methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from molmix.core.schema import Section

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Merge(Section):
    """A method that merges two models by mergekit. Each file of this folder has one subclass."""

    method: str

    def recipe(self, parents: Sequence[str], base: str) -> dict[str, Any]:
        """The mergekit config without number types, which molmix adds.

        Args:
            parents: ids of the two models.
            base: id of their common parent; task vectors are differences from it.

        Returns:
            A mergekit config as plain data, with ids instead of model paths.
        """
        raise NotImplementedError
