"""What keeps a pair's answer apart from the pairs that it is computed beside."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# Matrix libraries multiply the last few rows of a matrix by another routine than the many before them, which adds up in
# another order. Whole sixteens have no such rows: measured with MKL on 1 to 16 threads, where the last 1 to 3 rows
# (of all, or of a thread's share) differ in their last bits.
_ROWS = 16
_MANY = 1024  # rows from which no thread's share of them is a handful


class EvenRows(TorchFunctionMode):
    """Within it, linear layers see their rows in whole sixteens, filled up with zeros, which are cut off again.

    In batches of one length, everything else in an encoder goes pair by pair or number by number, so that on a CPU a
    pair's float32 answer is the same to the last bit in any company. No pair is computed more than once: what is added
    are rows of single layers. The heads of classifiers, which see one row a pair, are where it matters.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Fill up the input of linear layers; see the class."""
        if func is not torch.nn.functional.linear or kwargs:
            return func(*args, **kwargs or {})
        rows, *weights = args
        flat = rows.reshape(-1, rows.shape[-1])
        lacking = -len(flat) % _ROWS if len(flat) < _MANY else 0
        if not lacking:
            return func(*args)
        full = func(torch.nn.functional.pad(flat, (0, 0, 0, lacking)), *weights)
        return full[: len(flat)].reshape(*rows.shape[:-1], -1)
