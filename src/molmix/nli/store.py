"""The pair store: what an NLI model said of a pair of texts, kept so that no pair is asked twice.

A pair's key is 128 bits made from the digests of its two texts. What is known of it lies in a folder named by
everything the answer depends on (the model's digest, the cut-off length, the way of computing and storing). In it are
append-only files, each written once under a new name and never changed: a file is named by the checksum of its content,
so any number of processes on any number of nodes add to a store at once without locks (the same content is the same
file), and a damaged or half-written file betrays itself by its name. The store is a cache: what is missing or
unreadable is computed again, and a pair that lies in it twice does no harm.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molmix.files import beside

# What a model said of a pair: probabilities of entailment and contradiction (neutral is the rest), and whether the
# pair was longer than the cut-off. Rounded to DIGITS, which is coarser than what the company of a pair in its batch
# does to it, so that it makes no difference when and beside what a pair was computed (see molmix.nli.model).
VALUE = np.dtype([("entailment", "<f4"), ("contradiction", "<f4"), ("truncated", "?")])
DIGITS = 5
# Part of the folder's name: a new way of computing or storing begins a new store. fp32; VALUE; DIGITS.
SCHEME = "fp32-1"

_RECORD = np.dtype([("key", "<u8", 2), ("value", VALUE)])
_SUFFIX = ".pairs"
# Odd, and 3 modulo 8, so that a pair and its reverse, or a text with itself, stay as far apart as any two pairs.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C13)

log = logging.getLogger(__name__)


def text_digests(texts: Sequence[str]) -> np.ndarray:
    """128-bit digests (BLAKE2b) of texts, as uint64 [n, 2]."""
    digests = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)


def pair_keys(premises: np.ndarray, hypotheses: np.ndarray) -> np.ndarray:
    """Keys of pairs from the digests of their texts, all uint64 [n, 2]; the order of a pair matters.

    A sum modulo 2^64 in each half. Its terms are digests that nobody can steer, so two different pairs share a key
    with a chance of 2^-128 or so.
    """
    with np.errstate(over="ignore"):
        return premises + _MULTIPLIER * hypotheses


class PairStore:
    """What one model said of pairs; see the module.

    Args:
        root: folder of all stores.
        model: digest of the model's files, labels included.
        max_length: tokens that pairs are cut at.
    """

    def __init__(self, root: Path, model: str, max_length: int) -> None:
        self.folder = Path(root) / f"{model}-{max_length}-{SCHEME}"

    def lookup(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the store holds of some pairs.

        Reads every file once, one at a time, so memory does not grow with the store. Damaged files are named in a
        warning and passed over.

        Args:
            keys: distinct keys, uint64 [n, 2].

        Returns:
            values (:data:`VALUE` [n], zero where missing), and which are missing (bool [n]).
        """
        values = np.zeros(len(keys), VALUE)
        missing = np.ones(len(keys), bool)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        ordered = keys[order]
        for _, records in self._whole_files():
            # Found by the first half of the key and checked by the second. Two wanted keys with the same first half
            # are not to be expected in the life of the universe; the second of them would be computed again.
            places = np.minimum(np.searchsorted(ordered[:, 0], records["key"][:, 0]), len(keys) - 1)
            hits = (ordered[places] == records["key"]).all(axis=1)
            found = order[places[hits]]
            values[found] = records["value"][hits]
            missing[found] = False
        return values, missing

    def add(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Add pairs as one new file, written beside its place and renamed into it.

        Args:
            keys: uint64 [n, 2].
            values: :data:`VALUE` [n].
        """
        records = np.empty(len(keys), _RECORD)
        records["key"], records["value"] = keys, values
        self._write(records)

    def compact(self) -> None:
        """Put all whole files into one, and remove them and the damaged ones.

        Others may read and add meanwhile: the new file is in place before the old ones go, and only files that were
        read are removed.
        """
        paths = self._paths()
        whole = dict(self._read(paths))
        if not paths:
            return
        records = np.concatenate([np.empty(0, _RECORD), *whole.values()])
        _, first = np.unique(records["key"], axis=0, return_index=True)
        merged = self._write(records[first])
        for path in paths:
            if path != merged:
                path.unlink(missing_ok=True)

    def stats(self) -> dict[str, Any]:
        """Counts for people: ``files``, ``damaged`` files, ``pairs`` (distinct), ``repeats`` and ``bytes``."""
        paths = self._paths()
        whole = dict(self._read(paths))
        keys = np.concatenate([np.empty((0, 2), "<u8"), *(records["key"] for records in whole.values())])
        distinct = len(np.unique(keys, axis=0))
        return {
            "files": len(paths),
            "damaged": len(paths) - len(whole),
            "pairs": distinct,
            "repeats": len(keys) - distinct,
            "bytes": sum(records.nbytes for records in whole.values()),
        }

