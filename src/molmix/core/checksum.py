"""The checksum of a Parquet file. It is stored inside the file and detects damage to any byte.

Parquet itself can check its pages, but not its footer. The checksum is an entry of the footer's metadata: the BLAKE2b
digest (128 bits, in hex) of the file with zeros in place of the digest.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

CHECKSUM_KEY = "molmix.seal"
# A prefix of its own lets the code find the digest without parsing the footer. Earlier versions called the checksum
# "seal". The strings keep this word, so that tables of earlier versions are still checked.
PLACEHOLDER = "molmix-seal:" + "0" * 32
_CHECKSUM = re.compile(rb"molmix-seal:(.{32})", re.DOTALL)


def write_checksum(path: Path) -> None:
    """Write the digest into a file that was written with :data:`PLACEHOLDER` under :data:`CHECKSUM_KEY`."""
    data = memoryview(path.read_bytes())
    found = _find(data)
    if not found:
        raise RuntimeError(f"{path} was written without the placeholder of its checksum")
    with path.open("r+b") as stream:
        stream.seek(found.start(1))
        stream.write(_digest(data, found))


def is_damaged(data: memoryview) -> bool:
    """Whether a file does not match its checksum. False if it has none: other programs write no checksum."""
    found = _find(data)
    return found is not None and found[1] != _digest(data, found)


def _find(data: memoryview) -> re.Match[bytes] | None:
    """The checksum: the last match in the footer, because the metadata follow all data and statistics."""
    footer = max(0, len(data) - 8 - int.from_bytes(data[-8:-4], "little"))
    return next(reversed([*_CHECKSUM.finditer(data, footer)]), None)


def _digest(data: memoryview, found: re.Match[bytes]) -> bytes:
    hasher = hashlib.blake2b(data[: found.start(1)], digest_size=16)
    hasher.update(b"0" * 32)
    hasher.update(data[found.end(1) :])
    return hasher.hexdigest().encode()
