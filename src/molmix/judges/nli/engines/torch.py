"""PyTorch: on a GPU, and on a CPU with the same answer in every batch, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from molmix.judges.nli.engines._engine import Forward, NliEngine

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Torch(NliEngine):
    """PyTorch, the engine of every other model of molmix."""

    dtypes = ("float32", "bfloat16")
    module = "molmix.judges.nli.torch_forward"
    runs_on_gpu = True
    speed = 1.0

    def load(self, model: PreTrainedModel, inputs: Sequence[str], dtype: str) -> Forward:
        """Prepare a model that has the format already."""
        from molmix.judges.nli.torch_forward import TorchForward

        return TorchForward(model)

    def dtype_of_weights(self, dtype: str) -> str:
        """The weights have the format of the computation."""
        return dtype

    def pads(self, device: str) -> bool:
        """Only on a GPU: on a CPU, batches of one length make answers independent of the batch."""
        return device != "cpu"
