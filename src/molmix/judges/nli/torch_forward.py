"""The forward pass of an NLI model by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode


class TorchForward:
    """A model as a function of arrays.

    Args:
        model: a sequence classifier of transformers, in eval mode.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._distances = Distances(model)
        self._layers = EvenRows if model.device.type == "cpu" else nullcontext  # it guarantees nothing on a GPU

    @torch.inference_mode()
    def __call__(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits, float32 [pairs, classes]."""
        inputs = {name: torch.from_numpy(values).to(self._model.device) for name, values in batch.items()}
        self._distances.fit(inputs["input_ids"].shape[1])
        with self._layers():
            logits = self._model(**inputs).logits
        return logits.float().cpu().numpy()


# ---- batch invariance ---------------------------------------------------------------------------------------------

# Matrix libraries use a different routine for the last few rows of a matrix, which sums in another order. Multiples of
# 16 rows have no such rest. Measured with MKL on 1 to 16 threads, where the last 1 to 3 rows (of all, or of a thread's
# share) differ in their last bits.
_ROWS = 16
_MANY = 1024  # from so many rows on, no thread's share is only a few rows


class EvenRows(TorchFunctionMode):
    """In this context, linear layers get multiples of 16 rows: zero rows are added before and removed after.

    In batches of one length, all other operations of an encoder work on single pairs or numbers. So on a CPU, a pair's
    float32 answer is the same to the last bit in any batch. No pair is computed twice: only rows of single layers are
    added. This matters most for classifier heads, which get one row per pair.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Pad the input of linear layers; see the class."""
        if func is not torch.nn.functional.linear or kwargs:
            return func(*args, **kwargs or {})
        rows, *weights = args
        flat = rows.reshape(-1, rows.shape[-1])
        lacking = -len(flat) % _ROWS if len(flat) < _MANY else 0
        if not lacking:
            return func(*args)
        full = func(torch.nn.functional.pad(flat, (0, 0, 0, lacking)), *weights)
        return full[: len(flat)].reshape(*rows.shape[:-1], -1)


# ---- DeBERTa ------------------------------------------------------------------------------------------------------


class Distances:
    """Cuts the table of relative positions of a loaded DeBERTa to those of a batch. Does not change other models.

    DeBERTa-v2 and -v3 compare every token with all 512 embedded distances, for any length of the text, and then select
    the few that occur. On short texts, this takes a third to a half of the whole time. The remaining products are
    unchanged, so the answer is the same.

    Args:
        model: any sequence classifier of transformers.
    """

    def __init__(self, model: Any) -> None:
        encoder: Any = getattr(model.base_model, "encoder", None)
        self._encoder = None
        if model.config.model_type == "deberta-v2" and encoder.relative_attention:
            self._encoder = encoder
            self._layers = [layer.attention.self for layer in encoder.layer]
            self._span = self._layers[0].pos_ebd_size
            with torch.inference_mode():
                self._table = encoder.get_rel_embedding()  # the layer norm of a parameter, which is constant
            encoder.get_rel_embedding = lambda: self._kept

    def fit(self, length: int) -> None:
        """Keep the distances that occur in texts of `length` tokens."""
        if self._encoder is None:
            return
        with torch.inference_mode():
            farthest = int(self._encoder.get_rel_pos(torch.empty(1, length, 1)).abs().max())
        span = min(farthest + 1, self._span)
        self._kept = self._table[self._span - span : self._span + span]
        for layer in self._layers:
            layer.pos_ebd_size = span
