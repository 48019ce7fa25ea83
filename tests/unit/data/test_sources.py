"""Tables from elsewhere: every format reads the same; what is damaged or wrong is refused with its file and row."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from molmix.core.errors import MolmixError
from molmix.data.settings import FileSource, Predictions
from molmix.data.smiles import canonical
from molmix.data.sources import check_card, read_file, read_rows


@pytest.mark.parametrize("name", ["t.tsv", "t.csv", "t.jsonl", "t.parquet", "t.tsv.gz", "t.jsonl.gz"])
def test_every_format_reads_the_same(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"S": ["CC", "C=C"], "d": ['a "quoted", text', "ünïcode 分子"], "more": [1, 2]})
    path = tmp_path / name
    if "tsv" in name or "csv" in name:
        frame.to_csv(path, sep="\t" if "tsv" in name else ",", index=False)
    elif "jsonl" in name:
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        frame.to_parquet(path)
    rows = list(read_file(path, {"molecule": "S", "caption": "d"}))
    assert rows == [
        {"molecule": "CC", "caption": 'a "quoted", text'},
        {"molecule": "C=C", "caption": "ünïcode 分子"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'id,caption\nm1,A gas.\nm2,"A fuel.\nm3,A wax.\nm4,"A dye."\n',
            "t.csv, line 3: a quote opens here and does not",
        ),
        ('id,caption\nm1,A gas.\nm2,"A fuel.\nm3,A wax.\n', "t.csv, line 3: a quote opens here and does not close"),
        (
            'id,caption\nm1,A gas.\nm2,"A fuel.\nm3,A wax."\nm4,A dye.\n',
            "t.csv, line 3: a quote opens here and closes in",
        ),
        ('id,caption\nm1,"A fuel.\nm2,A wax.\nm3,A dye."\n', "t.csv, line 2: .* closes in line 4: the rows between"),
        ('caption,id\n"A fuel.,m1\nA wax.,m2\nA dye.",m3\n', "t.csv, line 2: .* closes in line 4"),
    ],
)
def test_a_quote_that_takes_in_rows_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(MolmixError, match=message):
        list(read_file(path, {"id": "id", "text": "caption"}))


def test_texts_of_several_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    texts = ["A gas.\nHowever, it is a dye.", "A gas, a wax\nand\na dye, too.", "A gas.\n"]
    pd.DataFrame({"id": ["m1", "m2", "m3"], "caption": texts}).to_csv(path, index=False)
    assert [row["text"] for row in read_file(path, {"id": "id", "text": "caption"})] == texts


def test_a_bare_quote_is_text_under_quoting_none(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('S\td\nCC\tthe "-yl ester\n')
    assert next(read_file(path, {"caption": "d"}, quoting="none"))["caption"] == 'the "-yl ester'


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.tsv", b"S\td\nCC\t\xff\n", ["UTF-8", "t.tsv"]),
        ("t.tsv", b"S\tcaptoin\n", ["no column 'caption'", "did you mean 'captoin'"]),
        ("t.tsv", b"", ["is empty"]),
        ("t.jsonl", b'{"S": 1\n', ["row 1", "not JSON"]),
        ("t.jsonl", b"[1]\n", ["row 1", "no JSON object"]),
        ("t.parquet", b"PAR1 no", ["no Parquet file"]),
        ("t.tsv.gz", b"not gzip", ["is not gzipped"]),
        ("t.tsv.gz", gzip.compress(b"S\tcaption\n" + b"C\tx\n" * 999, mtime=0)[:40], ["cannot be read"]),
        ("t.tsv", gzip.compress(b"S\tcaption\n", mtime=0), ["is gzipped", "end in .gz"]),
        ("t.csv", "S,caption\n".encode("utf-16"), ["is UTF-16"]),
        ("t.csv", b"PK\x03\x04sheet", ["ZIP archive"]),
        ("t.csv", b"caption,S,caption\n", ["2 columns 'caption'"]),
        ("t.csv", b'"caption,S\n', ["line"]),
        ("t.jsonl", b"[" * 100_000, ["row 1", "not JSON"]),
        ("t.xlsx", b"", ["ends in '.xlsx'"]),
        ("t.csv", b'S,caption\nC,"open\n', ["line"]),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: bytes, expected: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MolmixError) as caught:
        list(read_file(path, {"caption": "caption"}))
    assert all(part in str(caught.value) for part in expected)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match="no such file"):
        list(read_file(tmp_path / "none.tsv", {}))


@pytest.mark.slow
def test_chebi20_as_published(shared: Path) -> None:
    source = FileSource(
        kind="file",
        path=str(shared / "data/chebi20/test.tsv"),
        quoting="none",
        columns={"molecule": "SMILES", "caption": "description", "id": "CID"},
    )
    rows = list(read_file(Path(source.path), source.columns.mapping(), source.format, source.quoting))
    others = read_file(shared / "data/chebi20/molt5-small-smiles2caption.tsv", {"molecule": "SMILES"}, quoting="none")
    assert len(rows) == 3300
    # 484 SMILES carry doubled backslashes: raw strings do not join, canonical ones do.
    assert {canonical(row["molecule"]) for row in rows} == {canonical(row["molecule"]) for row in others}


@pytest.mark.parametrize(
    "record", ['{"n": "a", "caption": "x", "caption": "y"}', '{"n": "a", "n": "a", "caption": "x"}']
)
def test_a_key_given_twice_in_a_row_is_refused(tmp_path: Path, record: str) -> None:
    (tmp_path / "t.jsonl").write_text(record + "\n")
    with pytest.raises(MolmixError, match=r"row 1: has the key '(caption|n)' 2 times"):
        list(read_file(tmp_path / "t.jsonl", {"text": "caption"}))


@pytest.mark.parametrize("value", ["null", "true", '""', '" "', "[1]", "NaN"])
def test_an_id_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"n": 1, "caption": "x"}}\n{{"n": {value}, "caption": "y"}}\n')
    with pytest.raises(MolmixError, match="row 2: the id is"):
        list(read_rows(Predictions(path=str(path), id="n")))


CARD = """---
configs:
- config_name: default
  data_files: %s
  data_dir: %s
---
# A data set
"""


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "../../secret.csv",
        "data/../../x.csv",
        "~/x.csv",
        "https://example.org/x.csv",
        "zip://*.csv::/tmp/x.zip",
    ],
)
def test_a_card_that_names_files_outside_of_the_data_set_is_refused(tmp_path: Path, path: str) -> None:
    cards = [CARD % (f"'{path}'", "data"), CARD % ("x.csv", f"'{path}'")]
    cards.append(CARD % (f"\n  - split: train\n    path: [x.csv, '{path}']", "data"))
    for card in cards:
        (tmp_path / "README.md").write_text(card)
        with pytest.raises(MolmixError, match="lab/data@main: its card names"):
            check_card(tmp_path, "lab/data@main")


def test_a_card_that_names_files_of_the_data_set_is_read(tmp_path: Path) -> None:
    for card in (CARD % ("'data/*.csv'", "data"), "# No YAML", "---\nlicense: mit\n---\n"):
        (tmp_path / "README.md").write_text(card)
        check_card(tmp_path, "lab/data@main")
