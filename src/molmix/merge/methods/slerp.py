"""SLERP: spherical linear interpolation of two models (Shoemake 1985; mergekit's ``slerp``)."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from molmix.merge.methods._shared import Merge, ShareSetting


class Slerp(Merge):
    """Spherical linear interpolation of two models.

    Tensor by tensor, with θ the angle between the parents' values P and Q taken as two long vectors::

        M = sin((1 - t) θ) / sin θ · P + sin(t θ) / sin θ · Q

    Where |cos θ| > 0.9995, as in most siblings of one start, mergekit takes ``(1 - t) P + t Q`` instead; the
    manifest says for what share of the tensors (``validation.lerp_share``).
    """

    method: Literal["slerp"]
    t: ShareSetting = Field(0.5, description="0 is the first parent, 1 the second")

    def takes(self, parents: Sequence[str], base: str) -> bool:
        """SLERP merges two models."""
        return len(parents) == 2

    def recipe(self, parents: Sequence[str], base: str) -> dict[str, Any]:
        """mergekit config for two models. SLERP starts from the first parent and needs no `base`."""
        first, second = parents
        return {
            "merge_method": "slerp",
            "base_model": first,
            "models": [{"model": first}, {"model": second}],
            "parameters": {"t": self.t},
        }
