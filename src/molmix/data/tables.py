"""What the files that a config names must hold, in one place for the check before a run and for the jobs that read.

A run of hours is not to end on row 900 of a file that was there when it began: files are read before any job starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from molmix.core.errors import fault, show_value
from molmix.data.settings import FileRejected, FileSource, HubSource, Predictions
from molmix.data.sources import read_file, read_hub

Row = dict[str, Any]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _list_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


_FILL = "put text there, or take the row out"
_LISTS = "give lists of text, which JSONL and Parquet can hold"
Rules = dict[str, tuple[Callable[[Any], bool], str]]
_CORPUS: Rules = {"molecule": (_filled, _FILL), "caption": (_filled, _FILL), "properties": (_list_or_none, _LISTS)}

# What each of our columns must hold, by what the file is for, and the mend. Rejected texts and captions from elsewhere
# may be empty: a model can answer nothing.
RULES: dict[type, Rules] = {
    FileSource: _CORPUS,
    HubSource: _CORPUS,
    FileRejected: {"molecule": (_text, _FILL), "text": (_text, _FILL)},
    Predictions: {"text": (_text_or_none, _FILL)},
}


def read(source: FileSource | HubSource | FileRejected | Predictions) -> Iterator[Row]:
    """Yield the rows of a file or a data set of the hub under our column names, each checked.

    Raises:
        MolmixError: as :func:`molmix.data.sources.read_file` and :func:`molmix.data.sources.read_hub`; or a row holds
            no text where it belongs, or an id twice.
    """
    if isinstance(source, HubSource):
        where, rows = f"{source.id}@{source.revision}", read_hub(source, source.mapping())
    else:
        where, rows = source.path, read_file(Path(source.path), source.mapping(), source.format, source.quoting)
    rules = RULES[type(source)]
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        for key, (holds, hint) in rules.items():
            if key in row and not holds(row[key]):
                raise fault(f"{where}, row {number}", f"the {key} is {show_value(row[key])}", hint)
        if not _can_be_written(row.values()):
            hint = "write each character whole (a letter of JSON such as \\ud83d has a second half)"
            raise fault(f"{where}, row {number}", f"holds half a character: {show_value(row)}", hint)
        if "id" in row and seen.setdefault(str(row["id"]), number) != number:
            what = f"id {show_value(row['id'])} is that of row {seen[str(row['id'])]} too"
            raise fault(f"{where}, row {number}", what, "make ids unique")
        yield row


def _can_be_written(values: Iterable[Any]) -> bool:
    """JSON can hold one half of a surrogate pair, and no UTF-8 file can."""
    try:
        for value in values:
            for text in value if isinstance(value, list) else [value]:
                str(text).encode()
    except UnicodeEncodeError:
        return False
    return True
