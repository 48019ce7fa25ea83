"""What the files that a config names must hold, in one place for the check before a run and for the jobs that read.

A run of hours is not to end on row 900 of a file that was there when it began: files are read before any job starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from molmix.config import Config, FileRejected, FileSource, HubSource, Predictions
from molmix.errors import fault, quoted
from molmix.hub import cached
from molmix.sources import check_weights, is_there, read_file, read_hub
from molmix.vllm import check_decoder

Row = dict[str, Any]

CHECKED = 100_000  # rows of a file that are read before a run, about a second's work; the jobs read the rest


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
        MolmixError: as :func:`molmix.sources.read_file` and :func:`molmix.sources.read_hub`; or a row holds no text
            where it belongs, or an id twice.
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
                raise fault(f"{where}, row {number}", f"the {key} is {quoted(row[key])}", hint)
        if not _can_be_written(row.values()):
            hint = "write each character whole (a letter of JSON such as \\ud83d has a second half)"
            raise fault(f"{where}, row {number}", f"holds half a character: {quoted(row)}", hint)
        if "id" in row and seen.setdefault(str(row["id"]), number) != number:
            what = f"id {quoted(row['id'])} is that of row {seen[str(row['id'])]} too"
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


def check_files(config: Config) -> None:
    """Refuse, before any job starts, what is missing or cannot be read; of long files the first rows are read.

    Raises:
        MolmixError: names the file with its row, or the key.
    """
    for source in _files(config):
        if not sum(1 for _ in islice(read(source), CHECKED)):
            raise fault(source.path, "has no rows", "give it some, or check or fetch the file again")
    for key, path in config.metrics.files().items():
        if not is_there(Path(path)):
            raise fault(key, f"there is no {quoted(path)}", "mend the path, or leave the key out (docs/metrics.md)")
    if text2mol := config.metrics.text2mol:
        _local("metrics.text2mol.text_model", text2mol.text_model, text2mol.revision)
    for key, model in config.pretrained().items():
        if _local(f"{key}.id", model.id, model.revision):
            check_weights(Path(model.id))
    for key, model in config.by_vllm().items():
        folder = Path(model.id) if is_there(Path(model.id), Path.is_dir) else cached(model.id, model.revision)
        if folder:
            check_decoder(f"{key}.id", folder)
    for path in config.judge_files():
        if not is_there(Path(path), Path.is_file):
            raise fault("judges", f"there is no {quoted(path)} to read weights from", "mend the path of `weights`")


def _local(key: str, name: str, revision: str | None) -> bool:
    """Whether a model is a folder here; one of the hub must have its revision."""
    local = is_there(Path(name), Path.is_dir)
    if not local and revision is None:
        raise fault(key, f"{quoted(name)} is no local folder", "give a hub id its `revision`, or mend the path")
    return local


def _files(config: Config) -> Iterator[FileSource | FileRejected | Predictions]:
    yield from (source for source in config.sources() if isinstance(source, FileSource))
    yield from (source for source in config.rejected().values() if isinstance(source, FileRejected))
    for system in config.systems:
        yield from system.predictions.values()
