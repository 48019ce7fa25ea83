"""The engine that runs models by transformers. It imports torch, unlike :mod:`molmix.generation.generate`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import Cache, DynamicCache, EncoderDecoderCache, GenerationConfig
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutput

from molmix.core.errors import fault
from molmix.core.files import digest
from molmix.generation.engine import Engine
from molmix.generation.engines._kind import generation_dtype
from molmix.models.loading import load
from molmix.models.tokenization import end_tokens

STRIDE = 16  # tokens between two checks for finished rows
ROOM = 64  # tokens by which the cache grows


class TransformersEngine(Engine):
    """A model of the table with its generation settings, run by transformers."""

    @classmethod
    def load(cls, manifest: Path, settings: dict[str, Any], seed: int) -> TransformersEngine:
        """Load a model; see :func:`molmix.generation.generate.generate` for the arguments and errors."""
        return cls(*load(manifest, getattr(torch, generation_dtype(settings))), manifest, settings, seed)

    def __init__(self, model: Any, tokenizer: Any, manifest: Path, settings: dict[str, Any], seed: int) -> None:
        """Use a loaded model, whose own generation settings are replaced.

        Args:
            model, tokenizer: from transformers or PEFT.
            manifest: of the model, for messages.
            settings, seed: see :func:`molmix.generation.generate.generate`.

        Raises:
            MolmixError: the model has no token that ends an answer, or none that begins it.
        """
        self.manifest, self.model, self.settings, self.seed = manifest, model, settings, seed
        self._set_tokenizer(tokenizer)
        own = model.generation_config
        self.ends = end_tokens(own, self.tokenizer, manifest)
        self.encoder_decoder = bool(model.config.is_encoder_decoder)
        if self.encoder_decoder and own.decoder_start_token_id is None:
            hint = "set it in its generation_config.json (T5's is the id of its padding token)"
            raise fault(manifest, "is an encoder-decoder model without a `decoder_start_token_id`", hint)
        self.pad = self.ends[0] if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
        # Other generation settings of a published model (a penalty, a temperature) do not belong to this study.
        model.generation_config = GenerationConfig(
            bos_token_id=own.bos_token_id,
            eos_token_id=self.ends,
            pad_token_id=self.pad,
            decoder_start_token_id=own.decoder_start_token_id,
            forced_bos_token_id=own.forced_bos_token_id,
            return_dict_in_generate=True,
            **_sampling(settings["temperature"], settings["top_p"]),
        )
        self.context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or sys.maxsize
        # Arguments of the model's `generate` that grow with the answer.
        if self.encoder_decoder:
            self.ids, self.mask = "decoder_input_ids", "decoder_attention_mask"
        else:
            self.ids, self.mask = "input_ids", "attention_mask"

    def batches(self, prompts: list[str]) -> Iterator[list[str]]:
        """Batches of prompts of similar length, the longest first, within the budget of padded tokens.

        The last two batches have the same number of prompts: a small batch takes as many steps as a large one.
        """
        lengths = dict(zip(prompts, map(len, self._tokenize(prompts)), strict=True))
        left = sorted(prompts, key=lambda prompt: (-lengths[prompt], prompt))
        while left:
            width = lengths[left[0]] + self.settings["max_new_tokens"]
            size = max(1, self.settings["batch_tokens"] // width)
            if size < len(left) < 2 * size:
                size = math.ceil(len(left) / 2)
            yield left[:size]
            left = left[size:]

    def answers(self, batch: list[str]) -> list[dict[str, Any]]:
        """Text, number of tokens and finish of each prompt; the same batch always gets the same answers."""
        torch.manual_seed(int(digest(self.seed, batch), 16) % 2**63)
        return super().answers(batch)

    def _limit(self, prompt: int) -> int:
        """In an encoder-decoder, the prompt takes no tokens of the answer's context."""
        if self.encoder_decoder:
            return self.context if prompt <= self.context else 0
        return super()._limit(prompt)

    @torch.inference_mode()
    def _generate(self, prompts: list[list[int]], limits: list[int]) -> list[list[int]]:
        """Token ids generated after each prompt; see :meth:`Engine._generate`.

        Generates in strides and removes finished rows between them. So the work depends on the number of generated
        tokens, not on the longest row of the batch.
        """
        written: list[list[int]] = [[] for _ in prompts]
        alive = list(range(len(prompts)))
        state = self._begin(prompts) if prompts else {}
        while alive:
            # All remaining rows have the same number of tokens, and none may exceed its own limit.
            stride = min(STRIDE, min(limits[row] for row in alive) - len(written[alive[0]]))
            grown = self.model.generate(**state, max_new_tokens=stride).sequences
            for row, tokens in zip(alive, grown[:, state[self.ids].shape[1] :].tolist(), strict=True):
                ends = (count for count, token in enumerate(tokens, 1) if token in self.ends)
                written[row] += tokens[: next(ends, len(tokens))]
            stays = [
                written[row][-1] not in self.ends
                and len(written[row]) < limits[row]
                and not self._is_complete(written[row])
                for row in alive
            ]
            alive = [row for row, stay in zip(alive, stays, strict=True) if stay]
            state = self._go_on(state, grown, torch.tensor(stays, device=grown.device).nonzero()[:, 0])
        return written

    def _begin(self, prompts: list[list[int]]) -> dict[str, Any]:
        """Arguments of the first call of the model's ``generate`` for a batch, padded on the left."""
        width = max(map(len, prompts))
        padded = [[self.pad] * (width - len(ids)) + ids for ids in prompts]
        real = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
        ids = torch.tensor(padded, device=self.model.device)
        mask = torch.tensor(real, device=self.model.device)
        if not self.encoder_decoder:
            return {self.ids: ids, self.mask: mask, "past_key_values": self._cache()}
        start = mask.new_full((len(prompts), 1), self.model.generation_config.decoder_start_token_id)
        return {
            "encoder_outputs": self.model.get_encoder()(input_ids=ids, attention_mask=mask),
            "attention_mask": mask,
            self.ids: start,
            self.mask: torch.ones_like(start),
            "past_key_values": EncoderDecoderCache(self._cache(), DynamicCache(config=self.model.config)),
        }

    def _go_on(self, state: dict[str, Any], grown: torch.Tensor, rows: torch.Tensor) -> dict[str, Any]:
        """Arguments of the next call: the remaining rows, with their masks, caches and encoder outputs."""
        new = grown.shape[1] - state[self.mask].shape[1]
        state["past_key_values"].batch_select_indices(rows)
        following = {
            self.ids: grown[rows],
            self.mask: torch.nn.functional.pad(state[self.mask][rows], (0, new), value=1),
            "past_key_values": state["past_key_values"],
        }
        if self.encoder_decoder:
            following["attention_mask"] = state["attention_mask"][rows]
            following["encoder_outputs"] = BaseModelOutput(state["encoder_outputs"].last_hidden_state[rows])
        return following

    def _cache(self) -> Cache:
        cache = DynamicCache(config=self.model.config)
        # Layers of other kinds (sliding windows, linear attention) are not replaced.
        cache.layers = [_RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
        return cache


def _sampling(temperature: float, top_p: float) -> dict[str, Any]:
    if temperature == 0:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}


class _RoomyLayer(DynamicLayer):
    """Keys and values with spare room after them: new tokens are written there, and the old ones are not copied."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add keys and values of new tokens, each (rows, heads, tokens, size). Return all so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.rooms = [key_states[:, :, :0], value_states[:, :, :0]]
        old, new = self.get_seq_length(), key_states.shape[2]
        if old + new > self.rooms[0].shape[2]:
            self.rooms = [torch.nn.functional.pad(room, (0, 0, 0, new + ROOM)) for room in self.rooms]
        for room, states in zip(self.rooms, (key_states, value_states), strict=True):
            room[:, :, old : old + new] = states
        self.keys, self.values = (room[:, :, : old + new] for room in self.rooms)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows."""
        if length := self.get_seq_length():  # a cache may have more layers than an unequal decoder uses
            self.rooms = [room[indices] for room in self.rooms]
            self.keys, self.values = (room[:, :, :length] for room in self.rooms)
