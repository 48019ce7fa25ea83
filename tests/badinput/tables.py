"""Tables in every format, and the ways to spoil them."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

Rows = list[dict[str, Any]]
FORMATS = ("tsv", "csv", "jsonl", "parquet", "tsv.gz", "csv.gz", "jsonl.gz")
COLUMNS = ("SMILES", "description", "key")

# Captions that are hard to write, and that are right.
HARD = [
    "An acid.",
    'the "-yl" ester',
    "a, b\tc; d\\e",
    "é 分子 هذا",
    "<b>&amp;</b> ${x} $(touch pwned)",
    "\x1b[31m red \x00.",
]
HARD += ["x " * 70_000, "=1+1", "../../up", "{molecule} %s", "NaN", "null", "\ufeffmark"]


def write(rows: Rows, format: str, names: tuple[str, ...] = COLUMNS) -> bytes:
    """The bytes of a table file."""
    kind = format.removesuffix(".gz")
    if kind == "jsonl":
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    elif kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), sink)
        data = sink.getvalue()
    else:
        text = io.StringIO(newline="")
        table = csv.writer(text, delimiter="\t" if kind == "tsv" else ",", lineterminator="\n")
        table.writerow(names)
        table.writerows([row.get(name, "") for name in names] for row in rows)
        data = text.getvalue().encode()
    return gzip.compress(data, mtime=0) if format.endswith(".gz") else data


@st.composite
def tables(draw: Any) -> Rows:
    """Rows that are right, some of them hard."""
    captions = draw(st.lists(st.sampled_from(HARD), min_size=1, max_size=5))
    return [{"SMILES": "C" * (n + 1), "description": text, "key": f"m{n}"} for n, text in enumerate(captions)]


def _row(change: Callable[[dict[str, Any]], Any]) -> Callable[[Rows], Rows]:
    def apply(rows: Rows) -> Rows:
        rows = [dict(row) for row in rows]
        change(rows[-1])
        return rows

    return apply


# Rows that must be refused, whatever the format, with what the message must hold.
BAD_ROWS: dict[str, tuple[Callable[[Rows], Rows], list[str]]] = {
    "no rows": (lambda rows: [], ["rows"]),
    "caption is blank": (_row(lambda row: row.update(description=" \t ")), ["the caption is"]),
    "molecule is blank": (_row(lambda row: row.update(SMILES="")), ["the molecule is ''"]),
    "id twice": (lambda rows: [*rows, dict(rows[0])], ["id 'm0' is that of row 1 too"]),
    "no caption column": (lambda rows: _without(rows, "description"), ["no column 'description'"]),
    "no id column": (lambda rows: _without(rows, "key"), ["no column 'key'"]),
}
# Rows that only formats with types can hold.
BAD_TYPED: dict[str, tuple[Callable[[Rows], Rows], list[str]]] = {
    "caption is null": (_row(lambda row: row.update(description=None)), ["the caption is null"]),
    "molecule is null": (_row(lambda row: row.update(SMILES=None)), ["the molecule is null"]),
}
BAD_JSON: dict[str, tuple[Callable[[Rows], Rows], list[str]]] = {
    "caption is a number": (_row(lambda row: row.update(description=5)), ["the caption is 5"]),
    "caption is NaN": (_row(lambda row: row.update(description=float("nan"))), ["the caption is nan"]),
    "caption is true": (_row(lambda row: row.update(description=True)), ["the caption is true"]),
    "caption is a list": (_row(lambda row: row.update(description=["a"] * 9999)), ["the caption is ["]),
    "caption is half a character": (_row(lambda row: row.update(description="a\ud83d")), ["half a character"]),
    "id is half a character": (_row(lambda row: row.update(key="\udc00")), ["half a character"]),
    "caption has another name in one row": (_row(lambda row: row.update(Desc=row.pop("description"))), ["no column"]),
}


def _without(rows: Rows, name: str) -> Rows:
    return [{key: value for key, value in row.items() if key != name} for row in rows]


def names_of(rows: Rows) -> tuple[str, ...]:
    """Columns of the rows, or all of them where there are none."""
    return tuple(name for name in COLUMNS if not rows or name in rows[0])


# What can happen to the bytes of any file; the reader must refuse it, or read it as what it says.
DAMAGES: dict[str, Callable[[bytes, int], bytes]] = {
    "cut": lambda data, spot: data[: spot % len(data)],
    "cut in front": lambda data, spot: data[1 + spot % len(data) :],
    "bit flipped": lambda data, spot: _flip(data, spot % len(data), 1 << spot % 8),
    "byte zeroed": lambda data, spot: _put(data, spot % len(data), b"\0"),
    "byte that is no UTF-8": lambda data, spot: _put(data, spot % len(data), b"\xff"),
    "quote put in": lambda data, spot: data[: spot % len(data)] + b'"' + data[spot % len(data) :],
    "line break put in": lambda data, spot: data[: spot % len(data)] + b"\r" + data[spot % len(data) :],
    "said twice": lambda data, spot: data + data,
    "zeros": lambda data, spot: b"\0" * len(data),
    "noise": lambda data, spot: bytes((spot * (n + 7) * 2654435761 >> 9) & 255 for n in range(64)),
}


def _flip(data: bytes, spot: int, bit: int) -> bytes:
    return data[:spot] + bytes([data[spot] ^ bit]) + data[spot + 1 :]


def _put(data: bytes, spot: int, byte: bytes) -> bytes:
    return data[:spot] + byte + data[spot + 1 :]
