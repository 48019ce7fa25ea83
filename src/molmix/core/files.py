"""Files that a run makes: written beside their place and renamed into it, read back with a clear error.

Tables are Parquet, small facts are JSON; both can tell when a byte of them has changed. Nothing here imports pandas
or torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from molmix.core.checksum import BLANK, KEY, broken, seal
from molmix.core.errors import fault
from molmix.core.temporary import scratch

AGAIN = "delete it and run the same command again"


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; renamed over it when the block ends well, removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _settle(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """As :func:`beside` for a folder: an older one is replaced whole, one left by a killed job is cleared away."""
    with scratch(path.parent, path.name) as part:
        yield part
        for file in part.rglob("*"):
            if file.is_file():
                _settle(file)
        shutil.rmtree(path, ignore_errors=True)
        try:
            part.rename(path)
        except OSError:  # another job that makes the same was faster by a blink
            shutil.rmtree(path)
            part.rename(path)


def _settle(file: Path) -> None:
    """Ready to get its name: readable (mkstemp and safetensors make files that only the owner reads), and on the disk,
    as a machine that stops can otherwise leave a file of zeros under it.
    """
    file.chmod(0o666 & ~_umask())
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def write_json(path: Path | str, content: dict[str, Any], *, sealed: bool = False) -> None:
    """Write small facts, keys in the order given, so that the same facts are the same bytes.

    Args:
        path: where they go.
        content: plain JSON.
        sealed: put a digest of the content to it, as the last key, which :func:`read_json` checks and takes away.
    """
    if sealed:
        content = content | {KEY: digest(content)}
    with beside(Path(path)) as temporary:
        temporary.write_text(
            json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )


def read_json(path: Path | str) -> dict[str, Any]:
    """Read what :func:`write_json` wrote.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise fault(path, f"cannot be read as JSON ({error})", AGAIN) from None
    if not isinstance(content, dict):
        raise fault(path, "holds no JSON object", AGAIN)
    if KEY in content and content.pop(KEY) != digest(content):
        raise fault(path, "is not as it was written", AGAIN)
    return content


def write_table(path: Path | str, table: pa.Table | list[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    """Write a table as Parquet, sealed (:mod:`molmix.core.checksum`).

    Args:
        path: where it goes.
        table: an Arrow table, or rows.
        schema: column names and types; required where `table` is rows, so that no rows still make columns.
    """
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pylist(table, schema=schema)
    with beside(Path(path)) as temporary:
        with pq.ParquetWriter(temporary, table.schema, compression="zstd") as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({KEY: BLANK})
        seal(temporary)


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table that a run made.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    try:
        data = Path(path).read_bytes()
        if broken(data):
            raise fault(path, "is not as it was written", AGAIN)
        table = pq.read_table(pa.BufferReader(data), columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise fault(path, f"cannot be read as Parquet ({error})", AGAIN) from None
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != KEY.encode()}
    return table.replace_schema_metadata(metadata or None)


def digest(*parts: Any) -> str:
    """Short, stable name of some plain content: 16 hex digits of the SHA-256 of its canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
