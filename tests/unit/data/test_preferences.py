"""Preference pairs: whose rejected text a pair has, what makes no pair, and what is refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_table
from molmix.data.corpus import CORPUS
from molmix.data.preferences import build_pairs, rejection_prompts
from molmix.generation.generate import ANSWERS

ALKANES = ["C" * n for n in range(1, 41)]
FROM_FILE = {"kind": "file", "format": "auto", "quoting": "minimal", "molecule": "molecule", "text": "text"}


def write_corpus(path: Path, molecules: list[str], shares: list[float] | None = None) -> Path:
    """A table of a corpus whose ids are numbers from 0, as those of two files can be."""
    rows = [
        {"id": f"{n}", "molecule": smiles, "caption": f"Chain of {len(smiles)}."} for n, smiles in enumerate(molecules)
    ]
    table = pa.Table.from_pylist(rows, schema=CORPUS)
    write_table(path, table.append_column("share", pa.array(shares, pa.float64())) if shares else table)
    return path


@pytest.fixture
def paired(tmp_path: Path):
    """Pair a corpus with rejected texts; gives the pairs and the counts of its training split."""

    def pair(
        corpus: dict[str, Path],
        texts: Path,
        source: dict[str, Any] | None = FROM_FILE,
        share: float = 1.0,
        way: str = "mol2cap",
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        build_pairs(
            corpus=corpus,
            rejected={way: source},
            texts={way: texts},
            templates={"mol2cap": "M: {molecule}\nC:", "cap2mol": "C: {caption}\nM:"},
            domain="molecules",
            share=share,
            pairs=tmp_path / "pairs.parquet",
            manifest=tmp_path / "pairs.json",
        )
        pairs = read_table(tmp_path / "pairs.parquet").to_pylist()
        return pairs, read_json(tmp_path / "pairs.json")["counts"][f"{way}.train"]

    return pair


def write_texts(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("\n".join(["molecule\ttext", *("\t".join(row) for row in rows)]) + "\n")
    return path


@pytest.mark.parametrize("way", ["mol2cap", "cap2mol"])
def test_rejected_texts_of_a_model_belong_to_their_row_though_both_splits_have_its_id(tmp_path, paired, way) -> None:
    corpus = {
        "train": write_corpus(tmp_path / "subset.parquet", ALKANES[:8]),
        "validation": write_corpus(tmp_path / "validation.parquet", ALKANES[8:16]),
    }
    ids, prompts = rejection_prompts(corpus, way, {"mol2cap": "{molecule}", "cap2mol": "{caption}"}[way])
    assert len(set(ids)) == 16
    # What a model would write that repeats its prompt.
    answers = [{"id": row, "text": f"About {text}", "finish": "stop"} for row, text in zip(ids, prompts, strict=True)]
    write_table(tmp_path / "rejected.parquet", answers, ANSWERS)
    pairs, counts = paired(corpus, tmp_path / "rejected.parquet", {"kind": "model", "model": "m"}, way=way)
    assert counts["rows"] == 8 and len(pairs) == 16
    for pair in pairs:
        shown = pair["prompt"].split("\n")[0].partition(": ")[2]
        assert pair["rejected"] == f" About {shown}"


def test_equal_empty_and_missing_texts_make_no_pair_and_are_counted(tmp_path: Path, paired) -> None:
    corpus = {"train": write_corpus(tmp_path / "subset.parquet", ALKANES[:10])}
    texts = [("C", "Chain of 1."), ("CC", " "), *((smiles, "Some gas.") for smiles in ALKANES[2:8]), ("C1", "?")]
    pairs, counts = paired(corpus, write_texts(tmp_path / "r.tsv", texts))
    assert counts == {
        "rows": 10,
        "no_rejected_text": 2,
        "empty_dropped": 1,
        "equal_dropped": 1,
        "unparsable_in_file": 1,
    }
    assert len(pairs) == 6
    assert (pairs[0]["prompt"], pairs[0]["rejected"]) == ("M: CCC\nC:", " Some gas.")


def test_mostly_empty_rejected_texts_are_refused(tmp_path: Path, paired) -> None:
    corpus = {"train": write_corpus(tmp_path / "subset.parquet", ALKANES[:10])}
    texts = [(smiles, "" if n < 6 else "Some gas.") for n, smiles in enumerate(ALKANES[:10])]
    with pytest.raises(MolmixError, match=r"preferences\.rejected\.mol2cap: 6 of 10 rejected texts of train are empty"):
        paired(corpus, write_texts(tmp_path / "r.tsv", texts))


def test_a_molecule_that_was_kept_though_rdkit_cannot_read_it_gets_its_text(tmp_path: Path, paired) -> None:
    corpus = {"train": write_corpus(tmp_path / "subset.parquet", ["C", "c1cccc1"])}
    pairs, counts = paired(corpus, write_texts(tmp_path / "r.tsv", [("C", "x"), (" c1cccc1", "y")]))
    assert [pair["rejected"] for pair in pairs] == [" x", " y"]
    assert counts["unparsable_in_file"] == 1 and counts["no_rejected_text"] == 0


def test_several_texts_of_a_molecule_are_taken_in_turn(tmp_path: Path, paired) -> None:
    corpus = {"train": write_corpus(tmp_path / "subset.parquet", ["CCO", "CCO", "CCO"])}
    pairs, _ = paired(corpus, write_texts(tmp_path / "r.tsv", [("OCC", "1"), ("CCO", "2")]))
    assert [pair["rejected"] for pair in pairs] == [" 1", " 2", " 1"]


def test_pairs_are_of_the_share_that_is_asked_for(tmp_path: Path, paired) -> None:
    corpus = {
        "train": write_corpus(tmp_path / "subset.parquet", ALKANES[:10], [0.1] * 2 + [0.5] * 3 + [1.0] * 5),
        "validation": write_corpus(tmp_path / "validation.parquet", ALKANES[10:12]),
    }
    texts = write_texts(tmp_path / "r.tsv", [(smiles, "Some gas.") for smiles in ALKANES])
    for share, rows in ((0.1, 2), (0.5, 5), (1.0, 10)):
        pairs, _ = paired(corpus, texts, share=share)
        assert [pair["id"] for pair in pairs if pair["split"] == "train"] == [str(n) for n in range(rows)]
        assert sum(pair["split"] == "validation" for pair in pairs) == 2


def test_without_a_source_of_rejected_texts_every_row_gives_a_pair(tmp_path: Path, paired) -> None:
    corpus = {"train": write_corpus(tmp_path / "subset.parquet", ALKANES[:5])}
    pairs, counts = paired(corpus, tmp_path / "none", None)
    assert [pair["chosen"] for pair in pairs] == [f" Chain of {len(smiles)}." for smiles in ALKANES[:5]]
    assert {pair["rejected"].strip() for pair in pairs} == {""} and counts["empty_dropped"] == 0
