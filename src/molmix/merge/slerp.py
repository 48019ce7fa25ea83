"""SLERP: spherical linear interpolation of two models (Shoemake 1985; mergekit's ``slerp``)."""

from typing import Annotated, Any, Literal

from pydantic import Field

from molmix.schema import Section


class Slerp(Section):
    """Spherical linear interpolation of two models."""

    method: Literal["slerp"]
    t: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="0 is the first parent, 1 the second")

    def recipe(self, parents: tuple[str, str], base: str) -> dict[str, Any]:
        """mergekit config for two model folders; SLERP starts from its first parent and needs no `base`."""
        first, second = parents
        return {
            "merge_method": "slerp",
            "base_model": first,
            "models": [{"model": first}, {"model": second}],
            "parameters": {"t": self.t},
        }
