"""Tables from elsewhere: TSV, CSV, JSONL and Parquet files, gzipped or not, and data sets of the hub.

A table is read whole, as rows by column name, or refused with the file and the row. What its rows must hold, and that
they do before any job starts, is the matter of :mod:`molmix.data.tables`.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from molmix.core.errors import fault, show_value
from molmix.core.hub import snapshot
from molmix.core.validation import did_you_mean
from molmix.data.settings import HubSource

ENDINGS = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
}
# What a file begins with that is something else than its name says: no other error would say so plainly.
MAGIC = {
    b"\x1f\x8b": ("is gzipped", "let its name end in .gz"),
    b"PAR1": ("is a Parquet file", "let its name end in .parquet, or set `format: parquet`"),
    b"PK\x03\x04": ("is a ZIP archive (as Excel's sheets are)", "save the table as CSV or TSV"),
    b"\xff\xfe": ("is UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("is UTF-16", "save it as UTF-8"),
}
csv.field_size_limit(2**31 - 1)  # the csv module's limit of 131,072 characters a field is lower than some captions


def file_format(path: Path, format: str = "auto") -> str:
    """Format of a table file, by its ending where it is `auto`."""
    if format != "auto":
        return format
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if ending not in ENDINGS:
        raise fault(path, f"ends in {ending or 'nothing'!r}", f"use one of {', '.join(ENDINGS)}, or set `format`")
    return ENDINGS[ending]


def read_file(
    path: Path, columns: dict[str, str], format: str = "auto", quoting: str = "minimal"
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table file under our column names.

    Args:
        path: the file; read as UTF-8, through gzip where its name ends in ``.gz``.
        columns: our name for each of the file's columns that is wanted.
        format: tsv, csv, jsonl, parquet, lines or auto.
        quoting: how TSV and CSV quote, `minimal` (RFC 4180) or `none`.

    Raises:
        MolmixError: the file is missing or damaged, is not UTF-8, lacks a column, or has a ragged row.
    """
    if not is_there(path, Path.is_file):
        raise fault(path, "there is no such file", "mend the path; it is relative to the folder you run in")
    format = file_format(path, format)
    _look(path, format)
    readers = {"tsv": _delimited, "csv": _delimited, "jsonl": _jsonl, "parquet": _parquet, "lines": _lines}
    reader = readers[format]
    number = 0
    try:
        for row in reader(path, columns, format, quoting):
            number += 1
            yield row
    except UnicodeDecodeError as error:
        raise fault(f"{path}, line {_wrong_line(path)}", f"is not UTF-8 ({error.reason})", "save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise fault(
            f"{path}, after row {number}", f"cannot be read ({error})", "check or fetch the file again"
        ) from None


def is_there(path: Path, kind: Callable[[Path], bool] = Path.exists) -> bool:
    """Whether there is such a file or folder; a path that the system refuses (too long a name, say) leads to none."""
    try:
        return kind(path)
    except OSError:
        return False


def _look(path: Path, format: str) -> None:
    """Refuse a file that is nothing at all, or plainly of another format."""
    try:
        with path.open("rb") as stream:
            first = stream.read(4)
    except OSError as error:
        raise fault(path, f"cannot be read ({error.strerror})", "check who may read the file") from None
    if not first:
        raise fault(path, "is empty (0 bytes)", "check or fetch the file again")
    if path.suffix == ".gz" and format != "parquet":
        if not first.startswith(b"\x1f\x8b"):
            raise fault(path, "is not gzipped", "take .gz off its name, or fetch the file again")
        return
    for magic, (what, hint) in MAGIC.items():
        if first.startswith(magic) and not (format == "parquet" and magic == b"PAR1"):
            raise fault(path, what, hint)


def _open(path: Path, newline: str = "") -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=newline)
    return path.open(encoding="utf-8-sig", newline=newline)


def _wrong_line(path: Path) -> int:
    """The first line that is not UTF-8; a reader notices it blocks before it gets there."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return number


def _delimited(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[dict[str, Any]]:
    tab = "\t" if format == "tsv" else ","
    with _open(path) as stream:
        if quoting == "none":
            lines = csv.reader(stream, delimiter=tab, quoting=csv.QUOTE_NONE)
        else:
            lines = csv.reader(stream, delimiter=tab, strict=True)
        try:
            header = next(lines, [])
            _require(path, columns, header)
            places = {ours: header.index(theirs) for ours, theirs in columns.items()}
            for number, fields in enumerate(lines, start=1):
                if len(fields) != len(header):
                    raise fault(
                        f"{path}, row {number}",
                        f"has {len(fields)} fields where the header has {len(header)}",
                        "quote fields that hold tabs, commas or line breaks; `quoting: none` where quotes are text",
                    )
                yield {ours: fields[place] for ours, place in places.items()}
        except csv.Error as error:
            raise fault(
                f"{path}, line {lines.line_num}", str(error), "mend the quotes, or set `quoting: none`"
            ) from None


def _jsonl(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[dict[str, Any]]:
    with _open(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise fault(f"{path}, row {number}", f"is not JSON ({error})", "write one object a line") from None
            if not isinstance(record, dict):
                raise fault(f"{path}, row {number}", "is no JSON object", "write one object a line")
            _require(path, columns, record, f", row {number}")
            yield {ours: record[theirs] for ours, theirs in columns.items()}


def _parquet(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            _require(path, columns, table.schema_arrow.names)
            for batch in table.iter_batches(columns=list(columns.values())):
                for record in batch.to_pylist():
                    yield {ours: record[theirs] for ours, theirs in columns.items()}
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise fault(path, f"is no Parquet file ({error})", "check or fetch the file again") from None


def _lines(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[dict[str, Any]]:
    """One text a line; whatever name the one wanted column has."""
    if len(columns) > 1:
        others = ", ".join(f"`{ours}`" for ours in columns if ours not in ("caption", "text"))
        raise fault(path, f"holds one text a line, and no {others}", f"set {others} to null, or give a table")
    (ours,) = columns
    with _open(path, newline="\n") as stream:  # a lone carriage return may stand inside a caption
        for line in stream:
            yield {ours: line.removesuffix("\n").removesuffix("\r")}


def _require(path: object, columns: dict[str, str], there: Any, row: str = "") -> None:
    names = list(there)
    for ours, theirs in columns.items():
        if theirs not in names:
            hint = did_you_mean(theirs, names, f"columns there: {_listed(names)}")
            raise fault(f"{path}{row}", f"has no column {show_value(theirs)} (for `{ours}`)", hint)
        if names.count(theirs) > 1:
            raise fault(f"{path}{row}", f"has {names.count(theirs)} columns {show_value(theirs)}", "rename all but one")


def _listed(names: list[str]) -> str:
    return ", ".join(map(show_value, names[:20])) + (", …" if len(names) > 20 else "") or "none"


def read_hub(source: HubSource, columns: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a hub data set at its pinned revision, from the cache or over the network.

    Raises:
        MolmixError: the data set, revision, configuration, split or a column is not to be had.
    """
    where = f"{source.id}@{source.revision}"
    folder = snapshot("data", source.id, source.revision, "dataset")
    from datasets import load_dataset

    try:  # from the folder: by its id, `datasets` would take any revision that it finds in its own cache
        rows = load_dataset(str(folder), source.config, split=source.split)
    except Exception as error:  # `datasets` raises a family of unrelated errors
        said = (str(error).splitlines() or [""])[0]
        hint = "check `split` and `config` against the card of the data set"
        raise fault(where, f"cannot be read ({type(error).__name__}: {said})", hint) from None
    _require(where, columns, rows.column_names)
    for record in rows:
        yield {ours: record[theirs] for ours, theirs in columns.items()}
