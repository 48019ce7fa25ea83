"""Seals: the checksum of a Parquet file inside the file, so that damage to any of its bytes is noticed.

Parquet itself can check its pages, not its footer. A seal is an entry of the footer's metadata: the BLAKE2b digest
(128 bits, in hex) of the file with zeros in the digest's place.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

KEY = "molmix.seal"
# The mark stands in the value, so that the digest's place is found without reading the footer's format.
BLANK = "molmix-seal:" + "0" * 32
_SEAL = re.compile(rb"molmix-seal:(.{32})", re.DOTALL)


def seal(path: Path) -> None:
    """Put the digest into a file that was written with :data:`BLANK` under :data:`KEY`."""
    data = path.read_bytes()
    found = _find(data)
    if not found:
        raise RuntimeError(f"{path} was written without a place for its seal")
    with path.open("r+b") as stream:
        stream.seek(found.start(1))
        stream.write(_digest(data, found))


def broken(data: bytes) -> bool:
    """Whether a file's bytes are not those that were sealed. What has no seal is not broken: others write none."""
    found = _find(data)
    return found is not None and found[1] != _digest(data, found)


def _find(data: bytes) -> re.Match[bytes] | None:
    """The seal: the last that looks like one, as the metadata stand behind all data and statistics."""
    footer = max(0, len(data) - 8 - int.from_bytes(data[-8:-4], "little"))
    return next(reversed([*_SEAL.finditer(data, footer)]), None)


def _digest(data: bytes, found: re.Match[bytes]) -> bytes:
    hasher = hashlib.blake2b(data[: found.start(1)], digest_size=16)
    hasher.update(b"0" * 32)
    hasher.update(data[found.end(1) :])
    return hasher.hexdigest().encode()
