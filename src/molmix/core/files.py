"""Writing and reading the files of a run: files are written under a temporary name, then renamed.

Tables are Parquet and small facts are JSON. Both contain a checksum. Parsing the Snakefile imports this module, so
slow imports are inside functions.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.checksum import CHECKSUM_KEY, PLACEHOLDER, is_damaged, write_checksum
from molmix.core.errors import fault, show_value
from molmix.core.origin import ORIGIN_KEY, origin_entry, path_in_run
from molmix.core.temporary import temporary_folder

if TYPE_CHECKING:
    import pyarrow as pa

MARK = ".made-by-molmix"  # in every folder that replace_folder made; it lists all files that molmix put there
_NOT_FOREIGN = {MARK, ".snakemake_timestamp"}


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`. It is renamed to `path` if the block succeeds, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder. It replaces the folder `path` if the block succeeds, else it is removed.

    Raises:
        MolmixError: `path` contains files that molmix did not write (see :func:`check_replaceable`).
    """
    if path.name in ("", "..") or path.is_symlink():
        path = path.resolve()
    check_replaceable(path)
    with temporary_folder(path.parent, path.name) as part:
        yield part
        names = sorted(map(str, _files_below(part)))
        (part / MARK).write_text("".join(f"{json.dumps(name)}\n" for name in names), encoding="ascii")
        for file in part.rglob("*"):
            if file.is_file():
                _flush(file)
        try:
            _remove_folder(path)
            part.rename(path)
        except OSError:  # another job has made the same folder in between
            _remove_folder(path)
            part.rename(path)


def check_replaceable(folder: Path) -> None:
    """Check that a folder may be replaced: it does not exist, it is empty, or molmix wrote all its files.

    Raises:
        MolmixError: it is a file, or contains files that molmix did not write.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise fault(folder, "is a file, and a folder is written here", "move the file away, or name another folder")
    mark = folder / MARK
    try:
        own = {str(json.loads(line)) for line in mark.read_text(encoding="ascii").splitlines()} | _NOT_FOREIGN
    except (OSError, ValueError):
        own = _NOT_FOREIGN
    # A mark of an earlier version lists folders instead of the files in them.
    names = (name for name in _files_below(folder) if own.isdisjoint(map(str, (name, *name.parents))))
    if foreign := sorted(map(str, names)):
        there = f"{show_value(foreign[0])}{f' and {len(foreign) - 1} more' if len(foreign) > 1 else ''}"
        what = f"holds files that molmix did not write there ({there}), and a folder is replaced whole"
        raise fault(folder, what, "name another folder; if nothing in it is needed, remove it yourself")


def _files_below(folder: Path) -> Iterator[Path]:
    """Relative paths of all files and links in a folder and its subfolders. Links are not followed."""
    for entry in folder.rglob("*"):
        if entry.is_symlink() or not entry.is_dir():
            yield entry.relative_to(folder)


def _remove_folder(folder: Path) -> None:
    check_replaceable(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _flush(file: Path) -> None:
    """Make a new file readable by others (mkstemp and safetensors make private files), and flush it to the disk.

    Without the flush, the file could contain only zeros under its final name after a power failure.
    """
    file.chmod(0o666 & ~_umask())
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def write_json(path: Path | str, content: dict[str, Any], *, checksum: bool = False) -> None:
    """Write small facts as JSON. The keys keep their order, so equal facts give equal bytes.

    Args:
        path: the file to write.
        content: plain JSON.
        checksum: whether to add the origin (:mod:`molmix.core.origin`) and a digest of the content as the last keys.
            :func:`read_json` checks the digest and removes both.
    """
    if checksum:
        content = content | origin_entry()
        content = content | {CHECKSUM_KEY: digest(content)}
    with write_atomically(Path(path)) as temporary:
        temporary.write_text(
            json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )


def read_json(path: Path | str) -> dict[str, Any]:
    """Read a file of :func:`write_json`.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise fault(path, f"cannot be read as JSON ({error})", make_again(path)) from None
    if not isinstance(content, dict):
        raise fault(path, "holds no JSON object", make_again(path))
    if CHECKSUM_KEY in content and content.pop(CHECKSUM_KEY) != digest(content):
        raise fault(path, "is not as it was written", make_again(path))
    content.pop(ORIGIN_KEY, None)
    return content


def write_table(path: Path | str, table: pa.Table | list[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    """Write a table as Parquet, with its checksum and its origin (:mod:`molmix.core.checksum`, `.origin`).

    Args:
        path: the file to write.
        table: an Arrow table, or rows.
        schema: column names and types. Required if `table` is rows, because an empty list has no columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(table, pa.Table):
        table = pa.Table.from_pylist(table, schema=schema)
    with write_atomically(Path(path)) as temporary:
        with pq.ParquetWriter(temporary, table.schema, compression="zstd") as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({**origin_entry(path_in_run(Path(path))), CHECKSUM_KEY: PLACEHOLDER})
        write_checksum(temporary)


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table that a run made.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Into Arrow's memory. A thread of Arrow may free it only while Python ends: with `bytes`, this is a crash.
        with pa.OSFile(str(path)) as file:
            data = file.read_buffer()
        if is_damaged(memoryview(data)):
            raise fault(path, "is not as it was written", make_again(path))
        # `pq.read_table` would import the layer for data sets of many files.
        table = pq.ParquetFile(pa.BufferReader(data)).read(columns=columns)
        table = table if columns is None else table.select(columns)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise fault(path, f"cannot be read as Parquet ({error})", make_again(path)) from None
    own = (CHECKSUM_KEY.encode(), ORIGIN_KEY.encode())
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key not in own}
    return table.replace_schema_metadata(metadata or None)


def read_rows_of(path: Path, ids: Sequence[str], of: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table and check that it has the rows of another table: the same ids in the same order.

    Args:
        path: table with a column `id`.
        ids: ids of the other table.
        of: path of the other table.
        columns: columns to read, including `id`; default all.

    Raises:
        MolmixError: the file is missing or damaged, or has other rows.
    """
    table = read_table(path, columns)
    if table["id"].to_pylist() != list(ids):
        raise fault(path, f"its ids are not those of {of}", make_again(path))
    return table


def make_again(*paths: Path | str) -> str:
    """The hint for files of a run that are missing or wrong: how to make them again.

    It does not suggest to delete them: Snakemake does not make a deleted file again if the results from it exist.
    """
    names = " ".join(map(str, paths))
    return f"add `--forcerun {names}` to your snakemake command: that, and what depends on it, is made again"


def digest(*parts: Any) -> str:
    """Digest of plain JSON content: the first 16 hex digits of the SHA-256 of its canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
