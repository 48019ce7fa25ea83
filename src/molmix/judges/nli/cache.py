"""The NLI cache: answers of an NLI model for pairs of texts, so that no pair is computed twice.

The key of a pair is 128 bits, made from the digests of its two texts. The name of a cache's folder is the digest of
everything that the answers depend on: the digest of the model's files, its settings, and the code, libraries and
hardware of the computation (:func:`molmix.core.fingerprint.environment`). ``about.json`` lists this for people. The
folder holds files that are written once under a new name and never changed. A file's name is the checksum of its
content. So any number of processes on any number of nodes can add to a cache at once without locks (the same content is
the same file), and a damaged or incomplete file is detected by its name. Missing or unreadable pairs are computed
again. Repeated pairs do no harm.

In float32 on a CPU, results are the same to the last bit with an empty, a full and a damaged cache. Elsewhere, a pair
that is computed again can differ as described in :class:`molmix.judges.nli.model.NliModel`.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from molmix.core.errors import MolmixError, fault
from molmix.core.files import digest, read_json, write_atomically, write_json
from molmix.core.fingerprint import environment
from molmix.judges.nli.engines import ENGINES, TORCH

# The answer for a pair: probabilities of entailment and contradiction (the rest is neutral), and whether the pair was
# longer than the cut-off.
VALUE = np.dtype([("entailment", "<f4"), ("contradiction", "<f4"), ("truncated", "?")])
# The code that computes answers with every engine, and the libraries whose version can change them.
_CODE = (
    "molmix.judges.nli.model",
    "molmix.judges.nli.number_format",
    "molmix.models.loading",
    "molmix.models.tokenization",
    "molmix.models.weights",
)
_PACKAGES = ("torch", "transformers", "tokenizers")
# Probabilities are rounded to so many digits. This is coarser than the difference between two machines or, on a GPU,
# between two batches (about 1e-7 in float32), so that nearly all repeated computations give the same value.
_DIGITS = 5
_PIECE = 1 << 22  # maximum pairs in a file of a compacted cache: 100 MB, which a reader holds at a time
_REST = np.uint64(40)  # bits of the first half of a key behind the beginning by which most records are passed over
_ABANDONED = 24 * 3600  # seconds after which an unfinished file is no longer being written

ABOUT = "about.json"
_RECORD = np.dtype([("key", "<u8", 2), ("value", VALUE)])
_SUFFIX = ".pairs"
# Names of the cache's own files, finished or left by a killed process. Other files in its folder are not touched.
_OWN = re.compile(r"[0-9a-f]{32}\.pairs")
_OWN_PART = re.compile(rf"\.({_OWN.pattern}|{re.escape(ABOUT)})\.\w+\.part")
# Odd, and 3 modulo 8, so that a pair and its reverse, or two texts with themselves, collide no more than other pairs.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C13)

log = logging.getLogger(__name__)


def text_digests(texts: Sequence[str]) -> np.ndarray:
    """128-bit digests (BLAKE2b) of texts, uint64 [n, 2]."""
    digests = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)


def pair_keys(premises: np.ndarray, hypotheses: np.ndarray) -> np.ndarray:
    """Keys of pairs, uint64 [n, 2], from the digests of their texts (the same shape); the order of a pair matters.

    Each half is a sum modulo 2^64. Its terms are digests, which behave like random numbers. So two different pairs have
    the same key with a probability of about 2^-128.
    """
    return premises + _MULTIPLIER * hypotheses


def as_values(probabilities: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """A model's answers (:class:`molmix.judges.nli.model.Scores`) in the form of the cache, :data:`VALUE` [n]."""
    values = np.empty(len(probabilities), VALUE)
    values["entailment"], values["contradiction"] = probabilities[:, [0, 2]].round(_DIGITS).T
    values["truncated"] = truncated
    return values


def open_cache(
    root: Path,
    *,
    name: str,
    model: str,
    max_length: int,
    dtype: str,
    labels: Sequence[str] | None,
    engine: str = TORCH,
) -> NliCache:
    """The cache of one model with these settings, for this version of molmix and of the engine on this machine.

    Args:
        root: folder of all caches.
        name: of the model, for people.
        model: digest of the model's files.
        max_length: maximum tokens of a pair; longer pairs are cut.
        dtype: number format of the computation, ``auto`` resolved.
        labels: names given to the model's classes; None for its own.
        engine: the library that computes, a key of :data:`molmix.judges.nli.engines.ENGINES`.
    """
    own = ENGINES[engine]
    about = {"model": name, "digest": model, "engine": engine, "dtype": dtype, "max_length": max_length}
    about |= {"digits": _DIGITS, "labels": list(labels) if labels else None}
    code = (*_CODE, type(own).__module__, own.module)
    about |= environment(code=code, packages=(*_PACKAGES, *own.packages), dtype=dtype)
    folder = f"{model}-{max_length}-{engine}-{dtype}-{digest(about | {'model': None})}"
    return NliCache(Path(root) / folder, about)


class NliCache:
    """Cached answers of one model for pairs; see the module.

    Args:
        folder: need not exist yet.
        about: description for people, written into a new cache.
    """

    def __init__(self, folder: Path, about: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self._about = about

    def lookup(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up pairs in the cache.

        Reads all files, one at a time, so that memory does not grow with the cache. Damaged files are named in a
        warning and skipped.

        Args:
            keys: distinct keys, uint64 [n, 2].

        Returns:
            Values (:data:`VALUE` [n], zero for missing pairs), and which pairs are missing (bool [n]).
        """
        found = Lookup(self, keys)
        return found.values, found.missing

    def add(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Add pairs as one new file, which is written completely or not at all.

        Args:
            keys: uint64 [n, 2].
            values: :data:`VALUE` [n].

        Raises:
            MolmixError: the disk is full; earlier pairs are kept.
        """
        records = np.empty(len(keys), _RECORD)
        records["key"], records["value"] = keys, values
        self._write(records)

    def compact(self) -> None:
        """Join all undamaged files into one (or several, if it would be large), and remove the old and damaged ones.

        Other processes may read and add at the same time: new files are written before the old ones are removed, and
        only those are removed. Incomplete files of killed processes are removed too.

        Raises:
            MolmixError: the disk is full; the cache is unchanged.
        """
        files = dict(self.read_files())
        records = _distinct(files.values())
        merged = {self._write(records[start : start + _PIECE]) for start in range(0, len(records), _PIECE)}
        for path in files.keys() - merged:
            path.unlink(missing_ok=True)
        for path in self.folder.glob(".*.part"):
            with suppress(FileNotFoundError):
                if _OWN_PART.fullmatch(path.name) and time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def stats(self) -> dict[str, int]:
        """Counts for people: ``files``, ``damaged`` files, ``pairs``, ``repeats`` of pairs, ``bytes`` of good files."""
        files = dict(self.read_files())
        whole = [records for records in files.values() if records is not None]
        pairs, kept = len(_distinct(whole)), sum(map(len, whole))
        return {
            "files": len(files),
            "damaged": len(files) - len(whole),
            "pairs": pairs,
            "repeats": kept - pairs,
            "bytes": kept * _RECORD.itemsize,
        }

    def read_files(self, seen: set[Path] | None = None) -> Iterator[tuple[Path, np.ndarray | None]]:
        """Each file with its records, or None if it is damaged.

        Lists the folder again until it has no new files: if a file disappeared, it was compacted into a new one.

        Args:
            seen: files that are left out; gets the files that are read.
        """
        seen = set() if seen is None else seen
        while new := sorted({path for path in self.folder.glob("*.pairs") if _OWN.fullmatch(path.name)} - seen):
            for path in new:
                seen.add(path)
                try:
                    data = path.read_bytes()
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.ESTALE):  # removed, on this node or on another
                        continue
                    raise
                if path.name == _name(data):
                    yield path, np.frombuffer(data, _RECORD)
                else:
                    log.warning("%s is damaged and was passed over; its pairs are computed again", path)
                    yield path, None

    def _write(self, records: np.ndarray) -> Path:
        data = records.tobytes()
        path = self.folder / _name(data)
        try:
            with write_atomically(path) as temporary:
                temporary.write_bytes(data)
            if self._about is not None and not (self.folder / ABOUT).exists():
                write_json(self.folder / ABOUT, self._about)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            hint = "free some space and run the same command again: all pairs that were added before are kept"
            raise fault(self.folder, f"cannot take {len(records)} more pairs ({error.strerror})", hint) from None
        return path


class Lookup:
    """The answers of a cache for some pairs. Every file of the cache is read once.

    Args:
        cache: the cache; read at once, and again by :meth:`refresh`.
        keys: distinct keys, uint64 [n, 2].

    Attributes:
        values: :data:`VALUE` [n], zero for missing pairs.
        missing: bool [n].
    """

    def __init__(self, cache: NliCache, keys: np.ndarray) -> None:
        self.values, self.missing = np.zeros(len(keys), VALUE), np.ones(len(keys), bool)
        self._cache = cache
        self._order = np.lexsort((keys[:, 1], keys[:, 0]))
        self._keys = keys[self._order]
        # Most records of a large cache are not asked for: few wanted keys begin with the same bits.
        self._beginnings = np.zeros(1 << (64 - int(_REST)), bool)
        self._beginnings[self._keys[:, 0] >> _REST] = True
        self._seen: set[Path] = set()
        self.refresh()

    def refresh(self) -> None:
        """Read the files that were added to the cache since the last time."""
        if not self.missing.any():
            return
        for _, records in self._cache.read_files(self._seen):
            if records is None:
                continue
            # Search by the first half of the key, then compare the whole key. If two wanted keys have the same first
            # half (probability about 2^-64 per pair of keys), one is reported as missing and computed again.
            halves = np.ascontiguousarray(records["key"][:, 0])
            near = np.flatnonzero(self._beginnings[halves >> _REST])
            rows = np.minimum(np.searchsorted(self._keys[:, 0], halves[near]), len(self._keys) - 1)
            hits = (self._keys[rows] == records["key"][near]).all(axis=1)
            found = self._order[rows[hits]]
            self.values[found] = records["value"][near[hits]]
            self.missing[found] = False


def _name(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest() + _SUFFIX


def _distinct(files: Iterable[np.ndarray | None]) -> np.ndarray:
    """The records of all undamaged files, each pair once, sorted by key."""
    records = np.concatenate([np.empty(0, _RECORD), *(records for records in files if records is not None)])
    records = records[np.lexsort((records["key"][:, 1], records["key"][:, 0]))]
    first = np.ones(len(records), bool)
    first[1:] = (records["key"][1:] != records["key"][:-1]).any(axis=1)
    return records[first]


COLUMNS = ("model", "engine", "dtype", "cut-off", "files", "damaged", "pairs", "repeats", "bytes", "folder")


def describe_caches(root: Path, *, compact: bool) -> list[tuple[str, ...]]:
    """A table for `molmix store`: one row per cache, with columns :data:`COLUMNS`.

    Args:
        root: folder of all caches.
        compact: join each cache's files first.

    Raises:
        MolmixError: there is no such folder.
    """
    if not root.is_dir():
        raise fault(root, "is no folder", "name the folder of the NLI caches, or run a study that judges captions")
    rows: list[tuple[str, ...]] = [COLUMNS]
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        cache = NliCache(folder)
        if compact:
            cache.compact()
        stats = cache.stats()
        counts = [f"{stats[name]:,}" for name in ("files", "damaged", "pairs", "repeats", "bytes")]
        rows.append((*_about(folder), *counts, folder.name))
    return rows


def _about(folder: Path) -> tuple[str, ...]:
    """Model, engine, number format and cut-off of a cache; question marks if they are unknown."""
    try:
        about = read_json(folder / ABOUT)
        return str(about["model"]), about.get("engine", TORCH), str(about["dtype"]), str(about["max_length"])
    except (MolmixError, KeyError):
        return "?", "?", "?", "?"
