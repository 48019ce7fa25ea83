"""NLI models in a form that other libraries than PyTorch can read."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


class Exported(torch.nn.Module):
    """A classifier as a function of tensors, for any number of pairs and tokens.

    The export follows one forward pass (TorchScript). DeBERTa-v2 and -v3 are changed inside of the exported function:

    * They compare every token with all 512 embedded distances. The table of distances is cut to those that the batch
      can have, as :class:`molmix.judges.nli.torch_forward.Distances` does.
    * They compute by logarithms which embedding belongs to a long distance. In bfloat16 this gives wrong numbers, so
      they are looked up in a table.

    Args:
        model: a sequence classifier of transformers, which is changed.
        inputs: names of its inputs.
    """

    def __init__(self, model: Any, inputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self._inputs = model, list(inputs)
        encoder: Any = getattr(model.base_model, "encoder", None)
        if model.config.model_type == "deberta-v2" and encoder.relative_attention:
            _change_distances(encoder, model.config.max_position_embeddings)

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        """Logits [pairs, classes]."""
        return self.model(**dict(zip(self._inputs, values, strict=True))).logits


def _change_distances(encoder: Any, longest: int) -> None:
    positions = encoder.get_rel_pos(torch.empty(1, longest, 1))[0]  # of distances i - j, int64 [longest, longest]
    numbers = torch.cat([positions[0].flip(0), positions[1:, 0]])  # of distances from 1 - longest to longest - 1
    layers = [layer.attention.self for layer in encoder.layer]
    whole = layers[0].pos_ebd_size
    with torch.inference_mode():
        table = encoder.get_rel_embedding()
    table = table.clone()  # a normal tensor, which a trace can record
    plain, kept = encoder.forward, {}

    def forward(hidden_states: torch.Tensor, *values: Any, **settings: Any) -> Any:
        tokens = hidden_states.shape[1]  # in a trace, a variable
        kept["table"] = table[(torch.arange(2 * tokens) - tokens + whole).clamp(0, 2 * whole - 1)]
        for layer in layers:
            layer.pos_ebd_size = tokens
        return plain(hidden_states, *values, **settings)

    def numbers_of(hidden_states: torch.Tensor, *_: Any) -> torch.Tensor:
        steps = torch.arange(hidden_states.shape[1])
        return numbers[steps[:, None] - steps + longest - 1].unsqueeze(0)

    encoder.forward, encoder.get_rel_embedding, encoder.get_rel_pos = forward, lambda: kept["table"], numbers_of


def examples(inputs: Sequence[str]) -> tuple[torch.Tensor, ...]:
    """Inputs of two pairs, one of them padded, for the pass that is followed."""
    mask = torch.ones(2, 8, dtype=torch.long)
    mask[1, 5:] = 0
    return tuple(mask if name == "attention_mask" else torch.zeros_like(mask) for name in inputs)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings and log lines of exporters, which say nothing that a user could change."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
