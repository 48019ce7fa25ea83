"""Data files spoilt by the hundred: each is refused with its name and row, or every row is read as it was written."""

import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from molmix.config.files import check_files
from molmix.config.loading import parse
from molmix.core.errors import MolmixError
from molmix.data.settings import FileRejected, FileSource, Predictions
from molmix.data.sources import read_rows
from tests.badinput.conftest import assert_plain
from tests.badinput.studies import BASE, COLUMNS
from tests.badinput.tables import BAD_JSON, BAD_ROWS, BAD_TYPED, DAMAGES, FORMATS, HARD, names_of, tables, write

QUIET = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
DISTINCT = 250  # damaged files, at least
SOURCE: dict[str, Any] = {"kind": "file", "columns": COLUMNS}


def error_message(path: Path) -> str:
    """What is said of a study with this file for its only test set, before a job could start."""
    source = SOURCE | {"path": str(path)}
    content = {"run": "r", "data": {"tests": {"t": {"source": source}}}, "nli": BASE["nli"]}
    with pytest.raises(MolmixError) as caught:
        check_files(parse(content))
    assert_plain(str(caught.value))
    assert str(caught.value).startswith(str(path)), caught.value
    return str(caught.value)


def test_rows_come_through_as_they_were_written(folder: Path) -> None:
    @settings(QUIET, max_examples=60)
    @given(tables(), st.sampled_from(FORMATS))
    def campaign(rows: list[dict[str, Any]], format: str) -> None:
        Path(f"t.{format}").write_bytes(write(rows, format))
        found = list(read_rows(FileSource(path=f"t.{format}", **SOURCE)))
        assert found == [{"molecule": r["SMILES"], "caption": r["description"], "id": r["key"]} for r in rows]

    campaign()


@pytest.mark.parametrize("format", FORMATS)
def test_rows_that_are_refused(folder: Path, format: str) -> None:
    kinds = BAD_ROWS | (BAD_TYPED if format.startswith(("jsonl", "parquet")) else {})
    kinds |= BAD_JSON if format.startswith("jsonl") else {}

    @settings(QUIET, max_examples=3 * len(kinds))
    @given(tables(), st.sampled_from(sorted(kinds)))
    def campaign(rows: list[dict[str, Any]], kind: str) -> None:
        spoil, expected = kinds[kind]
        spoilt = spoil(rows)
        path = Path(f"t.{format}")
        path.write_bytes(write(spoilt, format, names_of(spoilt)))
        message = error_message(path)
        assert all(part in message for part in expected) or (kind == "no rows" and "empty" in message), (kind, message)

    campaign()


def test_damaged_files(folder: Path) -> None:
    """Refused with the name of the file, or read as rows of text: a flipped letter of a caption is a caption still."""
    seen: dict[tuple[str, str, bytes], bool] = {}

    @settings(QUIET, max_examples=400)
    @given(tables(), st.sampled_from(FORMATS), st.sampled_from(sorted(DAMAGES)), st.integers(0, 2**20))
    def campaign(rows: list[dict[str, Any]], format: str, kind: str, spot: int) -> None:
        path = Path(f"t.{format}")
        data = DAMAGES[kind](write(rows, format), spot)
        path.write_bytes(data)
        try:
            found = list(read_rows(FileSource(path=str(path), **SOURCE)))
        except MolmixError as error:
            assert_plain(str(error))
            assert str(error).startswith(str(path)), error
        else:
            assert all(row["caption"].strip() and row["molecule"].strip() for row in found)
        seen[format, kind, data[:200]] = True

    campaign()
    assert len(seen) >= DISTINCT, len(seen)


TSV = b"SMILES\tdescription\tkey\nC\tA gas.\tm0\n"
FILES: dict[str, tuple[str, bytes, list[str]]] = {
    "nothing": ("t.tsv", b"", ["is empty (0 bytes)"]),
    "gzip of nothing": ("t.tsv.gz", b"", ["is empty (0 bytes)"]),
    "gzip of an empty file": ("t.tsv.gz", gzip.compress(b""), ["no column"]),
    "header alone": ("t.tsv", b"SMILES\tdescription\tkey\n", ["has no rows"]),
    "gzip that is none": ("t.tsv.gz", TSV, ["is not gzipped"]),
    "gzip by another name": ("t.tsv", gzip.compress(TSV), ["is gzipped", ".gz"]),
    "gzip cut short": ("t.tsv.gz", gzip.compress(TSV)[:-20], ["cannot be read"]),
    "gzip with a wrong byte": (
        "t.tsv.gz",
        gzip.compress(TSV)[:20] + b"\xff" + gzip.compress(TSV)[21:],
        ["cannot be read"],
    ),
    "UTF-16": ("t.tsv", TSV.decode().encode("utf-16"), ["is UTF-16"]),
    "UTF-16 without its mark": ("t.tsv", TSV.decode().encode("utf-16-le"), ["no column"]),
    "latin-1": ("t.tsv", TSV.replace(b"A gas", "é".encode("latin-1")), ["line 2: is not UTF-8", "save it as UTF-8"]),
    "latin-1 after 9,000 rows": (
        "t.tsv",
        TSV + b"".join(b"C\tA gas.\tn%d\n" % n for n in range(9000)) + "C\té\tz\n".encode("latin-1"),
        ["line 9003", "is not UTF-8"],
    ),
    "Parquet by another name": ("t.csv", b"PAR1\x15\x04", ["is a Parquet file"]),
    "spreadsheet": ("t.csv", b"PK\x03\x04\x14\x00", ["ZIP archive"]),
    "spreadsheet by its own name": ("t.xlsx", b"PK\x03\x04\x14\x00", ["ends in '.xlsx'", ".csv"]),
    "no ending": ("t", TSV, ["ends in 'nothing'"]),
    "CSV by the name of TSV": ("t.tsv", TSV.replace(b"\t", b","), ["no column"]),
    "JSON by the name of JSONL": ("t.jsonl", b'[\n{"SMILES": "C"}\n]', ["row 1"]),
    "JSONL by the name of Parquet": ("t.parquet", b'{"SMILES": "C"}\n', ["is no Parquet file"]),
    "column by a near name": ("t.tsv", TSV.replace(b"description", b"Description"), ["did you mean 'Description'"]),
    "column twice": ("t.tsv", b"SMILES\tdescription\tkey\tkey\nC\tx\ta\tb\n", ["has 2 columns 'key'"]),
    "row too long": ("t.tsv", TSV + b"C\tA\tgas\tm1\n", ["row 2", "4 fields", "3"]),
    "row too short": ("t.tsv", TSV + b"C\n", ["row 2", "1 fields", "3"]),
    "blank line": ("t.tsv", TSV + b"\nC\tA\tm1\n", ["row 2", "0 fields"]),
    "quote left open": ("t.tsv", TSV + b'C\t"A\tm1\n', ["t.tsv", "quote"]),
    "JSON nested 100,000 deep": ("t.jsonl", b"[" * 100_000, ["row 1", "is not JSON"]),
    "JSON with a number of 5,000 digits": ("t.jsonl", b'{"a": ' + b"9" * 5000 + b"}", ["row 1", "is not JSON"]),
    "JSON that is cut": ("t.jsonl", b'{"SMILES": "C", "descr', ["row 1", "is not JSON"]),
    "columns by the thousand": ("t.csv", b",".join(b"c%d" % n for n in range(5000)) + b"\n", ["no column", "…"]),
    "column that steers a terminal": ("t.csv", b"\x1b[2J,b\n", ["no column", "\\x1b[2J"]),
}


@pytest.mark.parametrize(("name", "data", "expected"), FILES.values(), ids=FILES)
def test_files_that_are_refused(folder: Path, name: str, data: bytes, expected: list[str]) -> None:
    Path(name).write_bytes(data)
    message = error_message(Path(name))
    assert all(part in message for part in expected), message


@pytest.mark.parametrize("path", ["none.tsv", ".", "results", "/dev/zero", "/dev/null", "x" * 300 + ".tsv", "~/t.tsv"])
def test_paths_that_lead_to_no_file(folder: Path, path: str) -> None:
    assert "there is no such file" in error_message(Path(path))


@pytest.mark.parametrize("path", ["", " ", "{x}.tsv", "a\n.tsv", "a\x00.tsv", "\x1b[2J.tsv"])
def test_paths_that_no_file_should_have(path: str) -> None:
    with pytest.raises(MolmixError) as caught:
        parse({"data": {"tests": {"t": {"source": SOURCE | {"path": path}}}}}, "study.yaml")
    assert_plain(str(caught.value))
    assert "data.tests.t.source.path" in str(caught.value)


GOOD: dict[str, tuple[str, bytes]] = {
    "BOM": ("t.tsv", b"\xef\xbb\xbf" + TSV),
    "CRLF": ("t.tsv", TSV.replace(b"\n", b"\r\n")),
    "no line end": ("t.tsv", TSV.rstrip(b"\n")),
    "columns to spare, in another order": ("t.tsv", b"key\tother\tdescription\tSMILES\nm0\t\tA gas.\tC\n"),
    "gzip of two parts": ("t.tsv.gz", gzip.compress(TSV[:30]) + gzip.compress(TSV[30:])),
    "name with spaces and signs": ("a b & $(touch pwned) 'c'.tsv", TSV),
    "quoted": ("t.csv", b'"SMILES","description","key"\r\n"C","A gas.","m0"\r\n'),
}


@pytest.mark.parametrize(("name", "data"), GOOD.values(), ids=GOOD)
def test_files_that_are_odd_and_right(folder: Path, name: str, data: bytes) -> None:
    Path(name).write_bytes(data)
    assert list(read_rows(FileSource(path=name, **SOURCE))) == [{"molecule": "C", "caption": "A gas.", "id": "m0"}]


def test_captions_and_rejected_texts_may_be_empty(folder: Path) -> None:
    Path("p.jsonl").write_text('{"caption": null}\n{"caption": ""}\n')
    assert [row["text"] for row in read_rows(Predictions(path="p.jsonl"))] == [None, ""]
    Path("r.csv").write_text("molecule,caption\nC,\n")
    assert list(read_rows(FileRejected(kind="file", path="r.csv"))) == [{"molecule": "C", "text": ""}]
    Path("r.jsonl").write_text('{"molecule": "C", "caption": null}\n')
    with pytest.raises(MolmixError, match=r"r\.jsonl, row 1: the text is null"):
        list(read_rows(FileRejected(kind="file", path="r.jsonl")))


def test_one_text_a_line_holds_any_text(folder: Path) -> None:
    texts = [" ".join(text.split()) for text in HARD]
    Path("t.txt").write_text("\n".join(texts) + "\n", newline="")
    assert [row["text"] for row in read_rows(Predictions(path="t.txt"))] == texts


def test_properties_are_lists(folder: Path) -> None:
    columns = COLUMNS | {"properties": "p"}
    Path("t.csv").write_text("SMILES,description,key,p\nC,A gas.,m0,gas\n")
    with pytest.raises(MolmixError, match="the properties is 'gas'"):
        list(read_rows(FileSource(kind="file", path="t.csv", columns=columns)))


@pytest.mark.slow
def test_a_gigabyte_in_a_megabyte_is_not_read_before_a_run(folder: Path) -> None:
    """A gzip bomb: the check stops after its rows, and does not unfold what follows."""
    from molmix.config import files

    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1) as stream:
        stream.write(b"caption\n")
        for _ in range(2000):
            stream.write(b"a\n" * 1000)
    Path("bomb.tsv.gz").write_bytes(sink.getvalue())
    rows = read_rows(Predictions(path="bomb.tsv.gz"))
    content = {
        "data": {"tests": {"mine": BASE["data"]["tests"]["mine"]}},
        "systems": [{"name": "s", "predictions": {"mine": {"path": "bomb.tsv.gz"}}}],
    }
    check_files(parse(content))
    assert sum(1 for _ in rows) == 2_000_000 > files.CHECKED
