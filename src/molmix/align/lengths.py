"""Batches of rows of about one length: little is computed for padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class ByLength(Sampler[int]):
    """An order of rows in which a batch's are of about one length, and batches of all lengths follow each other.

    It follows from the seed and the epoch alone, so that a resumed training finds its place in it, as it does in
    accelerate's random one. transformers' own sampler (`train_sampling_strategy: group_by_length`) draws from the
    process's random numbers, and goes from long to short batches some fifty times over.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        """
        Args:
            lengths: tokens of each row's longest text.
            batch: rows of a batch.
            seed: of the order; an epoch's number is added to it.
        """
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Go on in the order of this epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed(self.seed + self.epoch)
        order = get_length_grouped_indices(self.lengths, self.batch, generator=draw)
        batches = [order[begin : begin + self.batch] for begin in range(0, len(order), self.batch)]
        # The first has the longest text, so that too little memory shows at once; the last may be short of rows.
        inner = batches[1:-1]
        batches[1:-1] = [inner[place] for place in torch.randperm(len(inner), generator=draw)]
        return chain.from_iterable(batches)
