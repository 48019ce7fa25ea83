"""DeBERTa's relative positions, no more of them than a batch has.

DeBERTa-v2 and -v3 compare every token with all 512 embedded distances, whatever the length of the text, and then pick
the few that occur in it: on short texts, a third to a half of the whole time. Here the table of distances is cut to
those that occur before each batch. The products that remain are the same ones, so the answer is the same.
"""

from __future__ import annotations

from typing import Any

import torch


class Distances:
    """Cuts the table of distances of a loaded model; does nothing to models that have none.

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
                self._table = encoder.get_rel_embedding()  # the layer norm of a parameter: always the same
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
