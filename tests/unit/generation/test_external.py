"""Captions from elsewhere: joined by id, molecule or order; what does not join is counted, listed, or refused."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table
from molmix.data.corpus import build_corpus
from molmix.data.settings import Predictions
from molmix.generation.external import join_captions

REFERENCES = [
    ("a", "OCC", "An alcohol."),
    ("b", "CC", "Ethane."),
    ("c", "CCO", "Ethanol."),  # the molecule of "a", written another way
    ("d", "c1ccccc1", "Benzene."),
]


@pytest.fixture
def joined(tmp_path: Path):
    """Join a file of captions to the references; gives the answers, the unjoined rows and the counts."""

    def run(name: str, content: str | bytes, *, lines: list[str] | None = None, domain="molecules", **mapping):
        columns: dict[str, Any] = {"molecule": "smiles", "id": "key"}
        references = tmp_path / ("references.txt" if lines else "references.tsv")
        if lines:
            columns = {"molecule": None}
            references.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            rows = ["\t".join(row) for row in [("key", "smiles", "caption"), *REFERENCES]]
            references.write_text("\n".join(rows) + "\n", encoding="utf-8")
        out = tmp_path / "out"
        build_corpus(
            data={"tests": {"one": {"source": {"kind": "file", "path": str(references), "columns": columns}}}},
            domain=domain,
            seed=1,
            world=None,
            tests={"one": out / "one.parquet"},
            corpora={},
            manifest=out / "corpus.json",
        )
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        join_captions(
            name="other",
            predictions={"one": Predictions(path=str(path), **mapping).model_dump()},
            tests={"one": out / "one.parquet"},
            corpus=out / "corpus.json",
            domain=domain,
            outs={"one": out / "answers.parquet"},
            unjoined=out / "unjoined.parquet",
            manifest=out / "manifest.json",
        )
        answers = {row["id"]: (row["text"], row["finish"]) for row in read_table(out / "answers.parquet").to_pylist()}
        counts = read_json(out / "manifest.json")["joined"]["one"]
        return answers, read_table(out / "unjoined.parquet").to_pylist(), counts

    return run


def test_by_id_whichever_of_a_molecules_rows_it_names(joined) -> None:
    answers, lost, counts = joined("p.csv", 'n,text\nc,"Says ""hi"", twice."\nb,\nx,Nobody\n', id="n", text="text")
    assert answers == {"a": ('Says "hi", twice.', "stop"), "b": ("", "stop"), "d": ("", "missing")}
    assert [(row["side"], row["row"], row["id"]) for row in lost] == [("reference", None, "d"), ("prediction", 3, "x")]
    assert (counts["by"], counts["captions"], counts["joined"], counts["empty"]) == ("id", 3, 2, 1)
    assert counts["references_without_caption"] == counts["no reference for it"] == 1


def test_copies_of_the_references_are_counted(joined, caplog) -> None:
    _, _, counts = joined("p.csv", "n,text\na,Ethanol. \nb,An alkane.\nd,c1ccccc1\n", id="n", text="text")
    assert counts["copies"] == 2 and not caplog.records
    _, _, counts = joined("p.csv", "n,text\na,An alcohol.\nb,Ethane.\nd,Benzene.\n", id="n", text="text")
    assert counts["copies"] == 3
    assert "3 of 3 captions are copies of their references" in caplog.text
    _, _, counts = joined("p.csv", "n,text\na,A dye.\nb,\nd,\n", id="n", text="text")
    assert "copies" not in counts


def test_by_molecule_however_it_is_written(joined) -> None:
    written = [("C(C)O", "one"), ("OCC", "two"), ("C1=CC=CC=C1", "ring"), ("C1", "?")]
    content = gzip.compress("\n".join(json.dumps({"s": s, "t": t}) for s, t in written).encode())
    answers, lost, counts = joined("p.jsonl.gz", content, molecule="s", text="t")
    assert answers == {"a": ("one", "stop"), "b": ("", "missing"), "d": ("ring", "stop")}
    assert [(row["row"], row["why"]) for row in lost] == [
        (None, "no caption for it"),
        (2, "another caption for the same molecule"),
        (4, "unreadable molecule"),
    ]
    assert counts["by"] == "molecule"


def test_by_order_one_caption_a_line(joined) -> None:
    answers, lost, counts = joined("p.txt", "one\n\nthree\r\nfour\u2028still\vfour\n")
    assert answers == {"a": ("one", "stop"), "b": ("", "stop"), "d": ("four\u2028still\vfour", "stop")}
    assert [row["why"] for row in lost] == ["another caption for the same molecule"]
    assert counts["by"] == "order"


def test_by_order_to_references_without_molecules(joined) -> None:
    answers, lost, counts = joined("p.txt.gz", gzip.compress(b"1\n2\n3\n"), lines=["same", "same", "other"])
    assert [text for text, _ in answers.values()] == ["1", "2", "3"]  # equal references stay rows of their own
    assert not lost and counts["references"] == 3


@pytest.mark.parametrize(
    ("name", "content", "mapping", "expected"),
    [
        ("p.txt", "one\ntwo\n", {}, ["has 2 captions", "have 4 rows", "order"]),
        ("p.csv", "n,caption\na,x\na,y\n", {"id": "n"}, ["row 2", "'a'", "row 1", "unique"]),
        (
            "p.csv",
            "n,caption\nz,x\n",
            {"id": "n"},
            ["none of its 1 captions joins", "by id", "(here 'z', there 'a')", "systems.other"],
        ),
        ("p.csv", "n,captoin\na,x\n", {"id": "n"}, ["'caption'", "did you mean 'captoin'"]),
        ("p.jsonl", '{"n": "a", "caption": 3}\n', {"id": "n"}, ["row 1", "3", "text"]),
        ("p.txt", "one\n", {"id": "n"}, ["one text a line", "`id`"]),
        ("p.txt", b"caf\xe9\n\n\n\n", {}, ["UTF-8"]),
        ("p.csv", "n,caption\na,x,y\n", {"id": "n"}, ["row 1", "3 fields"]),
    ],
    ids=["count", "repeated id", "nothing joins", "no column", "no text", "no table", "encoding", "ragged"],
)
def test_refused_with_file_row_and_hint(joined, name, content, mapping, expected) -> None:
    with pytest.raises(MolmixError) as caught:
        joined(name, content, **mapping)
    assert all(part in str(caught.value) for part in expected), caught.value


def test_molecules_that_rdkit_cannot_read_join_by_their_text(tmp_path: Path) -> None:
    """They are in a test set under `unparsable: keep`."""
    rows = [("CCO", "An alcohol."), ("c1cccc1", "A ring."), ("C[N](C)(C)(C)C", "An amine.")]
    references, out = tmp_path / "kept.tsv", tmp_path / "kept"
    references.write_text("\n".join("\t".join(row) for row in [("molecule", "caption"), *rows]) + "\n")
    source = {"kind": "file", "path": str(references)}
    build_corpus(
        data={"tests": {"one": {"source": source}}, "unparsable": "keep"},
        domain="molecules",
        seed=1,
        world=None,
        tests={"one": out / "one.parquet"},
        corpora={},
        manifest=out / "corpus.json",
    )
    spec = Predictions(path=str(references), molecule="molecule", text="caption")
    join_captions(
        name="copy",
        predictions={"one": spec.model_dump()},
        tests={"one": out / "one.parquet"},
        corpus=out / "corpus.json",
        domain="molecules",
        outs={"one": out / "answers.parquet"},
        unjoined=out / "unjoined.parquet",
        manifest=out / "manifest.json",
    )
    assert read_table(out / "answers.parquet")["text"].to_pylist() == [caption for _, caption in rows]
    assert read_table(out / "unjoined.parquet").num_rows == 0


def test_a_canonical_smiles_that_is_not_its_own_joins(joined) -> None:
    from rdkit import Chem

    published = "O=C(c1ccccc1C(=O)N1C(=O)c2ccccc2C1=O)N1C(=O)c2ccccc2C1=O"
    once = Chem.MolToSmiles(Chem.MolFromSmiles(published))
    REFERENCES.append(("e", published, "A phthalimide."))
    try:
        answers, _, _ = joined("p.jsonl", json.dumps({"s": once, "caption": "It."}), molecule="s")
    finally:
        REFERENCES.pop()
    assert answers["e"] == ("It.", "stop")
