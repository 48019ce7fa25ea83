"""The number type that a model runs in, and what a cast of its weights to a shorter type erases.

A task vector (the difference between a model's weights and those of the model that it was made from) is often smaller
than the distance between two neighbouring numbers in bfloat16. Such a difference disappears in a cast, and the model
answers like its start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DTYPE = "molmix.dtype"  # in the metadata of tables of captions and scores: the number type that the model ran in

# Share of a task vector above which molmix warns of a cast.
ERASED_LIMIT = 0.05


class Erasure:
    """Measures the share of a task vector that a cast erases, over tensors or parts of them.

    With τ = M - B for a model M and its start B, and τ' = cast(M) - cast(B), the share is ``1 - <τ', τ> / <τ, τ>``:
    0 if the cast changes nothing, 1 if the cast model is the cast start. It is near 0, and can be negative, for a start
    in float32: its numbers are rounded too, and small differences are as often enlarged as erased.

    Attributes:
        dtype: the type of the cast.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._kept = self._whole = 0.0

    def add(self, model: torch.Tensor, start: torch.Tensor) -> None:
        """Include two tensors of equal shape in float32."""
        task = (model - start).flatten()
        cast = (model.to(self.dtype).float() - start.to(self.dtype).float()).flatten()
        self._kept += float(cast @ task)
        self._whole += float(task @ task)

    @property
    def share(self) -> float:
        """The share, rounded to 4 decimals; 0 if the model equals its start."""
        return round(1 - self._kept / self._whole, 4) if self._whole else 0.0


def erasure_warning(model: str, dtype: str, share: float) -> str:
    """The warning for a share above :data:`ERASED_LIMIT`; empty below it."""
    if share <= ERASED_LIMIT:
        return ""
    return (
        f"{model}: the cast to {dtype} erases {share:.0%} of its difference from the model that it was made from "
        f"(more than {ERASED_LIMIT:.0%}); its captions are closer to that model's than they should be"
    )
