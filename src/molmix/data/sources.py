"""Read the user's tables: TSV, CSV, JSONL and Parquet files, gzipped or not, and data sets of the hub.

:func:`read_rows` yields the rows of a source that the config names, under molmix's column names. Both the check before
a run and the jobs use it, so that a table that passes the check does not stop a job hours later. Errors name the file
and the row.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from molmix.core.errors import fault, show_value
from molmix.core.hub import snapshot
from molmix.core.validation import did_you_mean
from molmix.data.settings import FileRejected, FileSource, HubSource, Predictions

Row = dict[str, Any]
Rule = tuple[Callable[[Any], bool], str]  # whether a value is valid, and what to do if it is not

ENDINGS = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
}
# First bytes of files whose format is not the one of their name. Without this check the errors would be less clear.
MAGIC = {
    b"\x1f\x8b": ("is gzipped", "let its name end in .gz"),
    b"PAR1": ("is a Parquet file", "let its name end in .parquet, or set `format: parquet`"),
    b"PK\x03\x04": ("is a ZIP archive (as Excel's sheets are)", "save the table as CSV or TSV"),
    b"\xff\xfe": ("is UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("is UTF-16", "save it as UTF-8"),
}
_QUOTES = 'close the quote, write a quote in a text as two (""), or set `quoting: none` if quotes are text'
csv.field_size_limit(2**31 - 1)  # some captions are longer than the csv module's default of 131,072 characters


# ---- rows, checked -----------------------------------------------------------------------------------------------


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_list_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _is_id(value: Any) -> bool:
    return (
        isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip() not in ("", "nan")
    )


_FILL = "write text there, or remove the row"
_CORPUS: dict[str, Rule] = {
    "molecule": (_is_filled, _FILL),
    "caption": (_is_filled, _FILL),
    "properties": (_is_list_or_none, "give lists of text, which JSONL and Parquet can hold"),
}
# Rules for the columns of each kind of source. Rejected texts and captions of external systems may be empty, because a
# model can give an empty answer.
RULES: dict[type, dict[str, Rule]] = {
    FileSource: _CORPUS,
    HubSource: _CORPUS,
    FileRejected: {"molecule": (_is_text, _FILL), "text": (_is_text, _FILL)},
    Predictions: {"text": (_is_text_or_none, _FILL)},
}
_ID: dict[str, Rule] = {"id": (_is_id, "give every row an id (text or a number), or set `id` to null")}


def read_rows(source: FileSource | HubSource | FileRejected | Predictions) -> Iterator[Row]:
    """Yield the checked rows of a file or of a data set of the hub, under molmix's column names.

    Raises:
        MolmixError: as :func:`read_file` and :func:`read_hub`; or a row has no text in a text column, has no id or the
            id of another row, or holds half a character (one half of a surrogate pair).
    """
    if isinstance(source, HubSource):
        where, rows = f"{source.id}@{source.revision}", read_hub(source)
    else:
        where, rows = source.path, read_file(Path(source.path), source.mapping(), source.format, source.quoting)
    rules = RULES[type(source)] | _ID
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        for key, (is_right, hint) in rules.items():
            if key in row and not is_right(row[key]):
                raise fault(f"{where}, row {number}", f"the {key} is {show_value(row[key])}", hint)
        if not _can_be_encoded(row.values()):
            hint = "write whole characters (in JSON, \\ud83d needs its second half)"
            raise fault(f"{where}, row {number}", f"holds half a character: {show_value(row)}", hint)
        if "id" in row and seen.setdefault(str(row["id"]), number) != number:
            what = f"id {show_value(row['id'])} is that of row {seen[str(row['id'])]} too"
            raise fault(f"{where}, row {number}", what, "make ids unique")
        yield row


def _can_be_encoded(values: Iterable[Any]) -> bool:
    """Whether UTF-8 can encode the values: JSON can hold one half of a surrogate pair, UTF-8 cannot."""
    try:
        for value in values:
            for text in value if isinstance(value, list) else [value]:
                str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- files -------------------------------------------------------------------------------------------------------


def file_format(path: Path, format: str = "auto") -> str:
    """Format of a table file; for `auto`, decided by the file's ending."""
    if format != "auto":
        return format
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if ending not in ENDINGS:
        raise fault(path, f"ends in {ending or 'nothing'!r}", f"use one of {', '.join(ENDINGS)}, or set `format`")
    return ENDINGS[ending]


def read_file(path: Path, columns: dict[str, str], format: str = "auto", quoting: str = "minimal") -> Iterator[Row]:
    """Yield the rows of a table file under molmix's column names. Their values are not checked.

    Args:
        path: the file; read as UTF-8, through gzip if its name ends in ``.gz``.
        columns: the name of each wanted column in the file, by molmix's name.
        format: tsv, csv, jsonl, parquet, lines or auto.
        quoting: quoting of TSV and CSV, `minimal` (RFC 4180) or `none`.

    Raises:
        MolmixError: the file is missing or damaged, is not UTF-8, lacks a column, or has a row with too few or too many
            fields.
    """
    if not is_there(path, Path.is_file):
        raise fault(path, "there is no such file", "change the path; it is relative to the working folder")
    format = file_format(path, format)
    _check_first_bytes(path, format)
    readers = {"tsv": _delimited, "csv": _delimited, "jsonl": _jsonl, "parquet": _parquet, "lines": _lines}
    reader = readers[format]
    number = 0
    try:
        for row in reader(path, columns, format, quoting):
            number += 1
            yield row
    except UnicodeDecodeError as error:
        line = _first_bad_line(path)
        raise fault(f"{path}, line {line}", f"is not UTF-8 ({error.reason})", "save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        hint = "check the file, or fetch it again"
        raise fault(f"{path}, after row {number}", f"cannot be read ({error})", hint) from None


def column_names(path: Path, quoting: str = "minimal") -> list[str]:
    """Names of the columns of a table file, in order; for JSON lines, the keys of the first row.

    Args:
        path: the file. A file with one text per line has no columns.
        quoting: quoting of TSV and CSV, `minimal` (RFC 4180) or `none`.

    Raises:
        MolmixError: as :func:`read_file`.
    """
    format = file_format(path)
    if format != "lines":
        next(read_file(path, {}, quoting=quoting), None)  # refuses an unreadable file
    match format:
        case "parquet":
            import pyarrow.parquet as pq

            return list(pq.read_schema(path).names)
        case "jsonl":
            with _open(path) as stream:
                return list(json.loads(next(stream, "{}")))
        case "tsv" | "csv":
            style: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if quoting == "none" else {}
            with _open(path) as stream:
                return next(csv.reader(stream, delimiter="\t" if format == "tsv" else ",", **style), [])
    return []


def is_there(path: Path, kind: Callable[[Path], bool] = Path.exists) -> bool:
    """Whether this file or folder exists; False for a path that the system refuses (for example, if it is too long)."""
    try:
        return kind(path)
    except OSError:
        return False


def _check_first_bytes(path: Path, format: str) -> None:
    """Refuse an empty file, and a file whose first bytes belong to another format."""
    try:
        with path.open("rb") as stream:
            first = stream.read(4)
    except OSError as error:
        raise fault(path, f"cannot be read ({error.strerror})", "check the permissions of the file") from None
    if not first:
        raise fault(path, "is empty (0 bytes)", "check the file, or fetch it again")
    if path.suffix == ".gz" and format != "parquet":
        if not first.startswith(b"\x1f\x8b"):
            raise fault(path, "is not gzipped", "remove .gz from its name, or fetch the file again")
        return
    for magic, (what, hint) in MAGIC.items():
        if first.startswith(magic) and not (format == "parquet" and magic == b"PAR1"):
            raise fault(path, what, hint)


def _open(path: Path, newline: str = "") -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=newline)
    return path.open(encoding="utf-8-sig", newline=newline)


def _first_bad_line(path: Path) -> int:
    """Number of the first line that is not UTF-8 or cannot be read. A reader does not know it: it decodes blocks."""
    number = 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        try:
            for line in stream:
                number += 1
                line.decode()
        except UnicodeDecodeError:
            return number
        except (OSError, EOFError, zlib.error):  # damaged after the bytes that are not UTF-8
            return number + 1
    return number


def _delimited(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[Row]:
    tab = "\t" if format == "tsv" else ","
    with _open(path) as stream:
        if quoting == "none":
            lines = csv.reader(stream, delimiter=tab, quoting=csv.QUOTE_NONE)
        else:
            lines = csv.reader(stream, delimiter=tab, strict=True)
        begin = 1  # line in which the row begins
        try:
            header = next(lines, [])
            _require(path, columns, header)
            indices = {name: header.index(column) for name, column in columns.items()}
            begin = lines.line_num + 1
            for number, fields in enumerate(lines, start=1):
                if len(fields) != len(header):
                    raise fault(
                        f"{path}, row {number}",
                        f"has {len(fields)} fields where the header has {len(header)}",
                        "quote fields that hold tabs, commas or line breaks; `quoting: none` where quotes are text"
                        + ("; semicolons do not separate fields" if any(";" in name for name in header) else ""),
                    )
                if lines.line_num > begin and _holds_rows(fields, tab):
                    what = (
                        f"a quote opens here and closes in line {lines.line_num}: the rows between are read as one text"
                    )
                    raise fault(f"{path}, line {begin}", what, _QUOTES)
                yield {name: fields[index] for name, index in indices.items()}
                begin = lines.line_num + 1
        except csv.Error as error:
            # For a quote that never closes, the reader has read the whole file.
            what = f"a quote opens here and does not close as it should ({error}, in line {lines.line_num})"
            raise fault(f"{path}, line {begin}", what, _QUOTES) from None


def _holds_rows(fields: list[str], tab: str) -> bool:
    """Whether one field of a row holds the end of this row, further rows, and the beginning of another one.

    Then each of its lines has as many separators as a row. In prose of several lines, a blank follows a comma.
    """
    most = len(fields) - 1
    for index, field in enumerate(fields if most else []):
        first, *rest = (line.count(tab) for line in field.split("\n"))
        if rest and [first, *rest] == [most - index, *[most] * (len(rest) - 1), index] and f"{tab} " not in field:
            return True
    return False


def _jsonl(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[Row]:
    with _open(path) as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{path}, row {number}"
            try:
                record = json.loads(line, object_pairs_hook=partial(_object, where))
            except (ValueError, RecursionError) as error:
                raise fault(where, f"is not JSON ({error})", "write one object a line") from None
            if not isinstance(record, dict):
                raise fault(where, "is no JSON object", "write one object a line")
            _require(where, columns, record)
            yield {name: record[column] for name, column in columns.items()}


def _object(where: str, pairs: list[tuple[str, Any]]) -> Row:
    """A JSON object. Refuses a repeated key, of which Python's reader would silently keep the last value."""
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise fault(where, f"has the key {show_value(twice)} {names.count(twice)} times", "remove all but one")
    return record


def _parquet(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            _require(path, columns, table.schema_arrow.names)
            for batch in table.iter_batches(columns=list(columns.values())):
                for record in batch.to_pylist():
                    yield {name: record[column] for name, column in columns.items()}
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise fault(path, f"is no Parquet file ({error})", "check the file, or fetch it again") from None


def _lines(path: Path, columns: dict[str, str], format: str, quoting: str) -> Iterator[Row]:
    """One text per line, for the one wanted column."""
    if len(columns) > 1:
        others = ", ".join(f"`{name}`" for name in columns if name not in ("caption", "text"))
        raise fault(path, f"holds one text a line, and no {others}", f"set {others} to null, or give a table")
    (name,) = columns
    with _open(path, newline="\n") as stream:  # a caption may contain a carriage return
        for line in stream:
            yield {name: line.removesuffix("\n").removesuffix("\r")}


def _require(where: object, columns: dict[str, str], there: Iterable[str]) -> None:
    """Refuse a table that lacks a wanted column or has it twice."""
    names = list(there)
    for name, column in columns.items():
        if column not in names:
            hint = did_you_mean(column, names, f"set `{name}` to one of its columns: {_listed(names)}")
            raise fault(where, f"has no column {show_value(column)} (for `{name}`)", hint)
        if names.count(column) > 1:
            raise fault(where, f"has {names.count(column)} columns {show_value(column)}", "rename all but one")


def _listed(names: list[str]) -> str:
    return ", ".join(map(show_value, names[:20])) + (", …" if len(names) > 20 else "") or "none"


# ---- data sets of the hub ----------------------------------------------------------------------------------------


def read_hub(source: HubSource) -> Iterator[Row]:
    """Yield the rows of a hub data set at its pinned revision, from the cache or over the network.

    Raises:
        MolmixError: the data set, revision, configuration, split or a column does not exist; or its card names data
            files outside of the data set.
    """
    where = f"{source.id}@{source.revision}"
    folder = snapshot("data", source.id, source.revision, "dataset")
    from datasets import load_dataset

    check_card(folder, where)
    try:  # from the folder: for an id, `datasets` would use any revision in its own cache
        rows = load_dataset(str(folder), source.config, split=source.split)
    except Exception as error:  # `datasets` raises many unrelated errors
        raise _unreadable(where, error) from None
    columns = source.mapping()
    _require(where, columns, rows.column_names)
    for record in rows:
        yield {name: record[column] for name, column in columns.items()}


def check_card(folder: Path, where: str) -> None:
    """Refuse a data set whose card names files outside of it: `datasets` would read them as rows.

    Args:
        folder: snapshot of the data set.
        where: the data set, for the message.

    Raises:
        MolmixError: a path of `data_files` or `data_dir` is absolute, is a URL, or contains `..`; or the card cannot be
            read.
    """
    import yaml
    from huggingface_hub import DatasetCard

    cards: list[Any] = []
    try:
        if (card := folder / "README.md").is_file():
            cards.append(DatasetCard.load(card).data.to_dict())
        if (card := folder / ".huggingface.yaml").is_file():
            cards.append(yaml.safe_load(card.read_text(encoding="utf-8")))
    except Exception as error:  # from YAML, the file system or the hub client
        raise _unreadable(where, error) from None
    lists = [card.get("configs") for card in cards if isinstance(card, dict)]
    configs = [config for configs in lists if isinstance(configs, list) for config in configs]
    named = [[config.get(key) for key in ("data_files", "data_dir")] for config in configs if isinstance(config, dict)]
    for path in _strings(named):
        if path.startswith(("/", "\\", "~")) or ":" in path or ".." in path.replace("\\", "/").split("/"):
            hint = "choose another data set or revision: this one would read files of your machine or of other servers"
            raise fault(where, f"its card names {show_value(path)}, which is no file of the data set", hint)


def _strings(content: Any) -> Iterator[str]:
    """Every string in nested lists and dictionaries, without keys. Parts that YAML aliases repeat are read once."""
    stack, seen = [content], set()
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list | dict) and id(item) not in seen:
            seen.add(id(item))
            stack += item.values() if isinstance(item, dict) else item


def _unreadable(where: str, error: Exception) -> Exception:
    said = (str(error).splitlines() or [""])[0]
    hint = "check `split` and `config` against the card of the data set"
    return fault(where, f"cannot be read ({type(error).__name__}: {said})", hint)
