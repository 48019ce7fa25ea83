"""The decomposition stage: tables of captions into tables of units."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from molmix.analysis.judge_validation.audit import audit, complete_sentences, correct_atoms
from molmix.core.files import read_table, write_json, write_table
from molmix.judges.decompose.tables import decompose_tables
from molmix.models.manifests import write_manifest
from tests.nli_models import make_model

REFERENCES = pa.schema([("id", pa.string()), ("references", pa.list_(pa.string()))])
ANSWERS = pa.schema([("id", pa.string()), ("text", pa.string())])
TWO = ["The molecule is a dye and a ligand.", "It is a dye. It is a dye."]


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    write_table(
        tmp_path / "r.parquet", [{"id": "a", "references": TWO}, {"id": "b", "references": ["A dye."]}], REFERENCES
    )
    write_table(tmp_path / "g.parquet", [{"id": "a", "text": ""}, {"id": "b", "text": TWO[1]}], ANSWERS)
    return tmp_path / "r.parquet", tmp_path / "g.parquet"


def units(tables: tuple[Path, Path], tmp_path: Path, name: str, settings: dict | None) -> list[list[list[str]]]:
    outs = [tmp_path / f"{name}-{path.name}" for path in tables]
    decompose_tables(captions=tables, outs=outs, units=name, settings=settings, cache=tmp_path / "cache", model=None)
    assert [read_table(out)["id"].to_pylist() for out in outs] == [["a", "b"]] * 2
    return [read_table(out)["atoms"].to_pylist() for out in outs]


def test_atoms_of_several_captions_are_joined_each_once(tables, tmp_path) -> None:
    reference, generated = units(tables, tmp_path, "rules", {"backend": "rules"})
    assert reference[0] == ["The molecule is a dye.", "The molecule is a ligand."]
    assert generated == [[], ["The molecule is a dye."]]


def test_sentences_stay_as_many_as_they_are(tables, tmp_path) -> None:
    reference, generated = units(tables, tmp_path, "sentences", None)
    assert reference[0] == [TWO[0], "It is a dye.", "It is a dye."]
    assert generated == [[], ["It is a dye.", "It is a dye."]]


def test_the_audit_asks_of_atoms_and_of_captions(tables, tmp_path) -> None:
    units(tables, tmp_path, "rules", {"backend": "rules"})
    make_model(tmp_path / "nli" / "weights", "bert")
    manifest = tmp_path / "nli" / "manifest.json"
    write_manifest(manifest, {"id": "nli"}, manifest.parent / "weights")
    write_json(tmp_path / "data.json", {"counts": {"tests.t": {"read": 3, "molecules": 2}}})
    audit(
        judges={"atomic": {"nli": "nli", "decomposer": "rules"}},
        captions={("reference", "t"): tables[0], ("system", "t"): tables[1]},
        atoms={
            ("rules", "reference", "t"): tmp_path / "rules-r.parquet",
            ("rules", "system", "t"): tmp_path / "rules-g.parquet",
        },
        models={"nli": manifest},
        nli={"nli": {}},
        store=tmp_path / "store",
        sample=10,
        seeds=[1],
        table=tmp_path / "audit",
        config="c0ffee",
        corpus=tmp_path / "data.json",
    )
    lines = (tmp_path / "audit.csv").read_text().splitlines()
    # Of the references, "a" has two captions, of which no atom belongs to one; of the system, "a" says nothing.
    assert [line.split(",")[:6] for line in lines[1:]] == [
        ["atomic", "nli", "rules", author, "t", "1"] for author in ("reference", "system")
    ]
    page, latex = ((tmp_path / f"audit{suffix}").read_text() for suffix in (".md", ".tex"))
    assert "| atomic | system | t | 1 | 1.0 |" in page and "atomic & system & t & 1 & 1.0 &" in latex
    assert all("tests.t (read 3, 2 molecules kept)" in text and "Config c0ffee" in text for text in (page, latex))


def test_the_audit_asks_of_the_own_sentence_first() -> None:
    text = "The molecule is a wax. It is a dye and a gum. Its colour is red."
    atoms = ["The molecule is a wax.", "The molecule is a dye.", "The molecule is a fuel."]
    asked: list[list[tuple[str, str]]] = []

    def entails(pairs: list[tuple[str, str]]) -> np.ndarray:
        """What is said in the same words follows."""
        asked.append(pairs)
        return np.array([hypothesis.removesuffix(".") in premise for premise, hypothesis in pairs])

    assert correct_atoms([text], [atoms], entails).tolist() == [True, True, False]
    assert asked[0][1] == ("It is a dye and a gum.", atoms[1])
    assert asked[1][0] == ("The molecule is a dye and a gum.", atoms[1])  # of the wax it is not asked again
    assert asked[2] == [(text, atoms[2])]


def test_a_sentence_is_complete_by_the_atoms_about_it() -> None:
    text = "The molecule is a wax. It is a dye and a gum. (NTP, 1992) Its colour is red."
    atoms = ["The molecule is a wax.", "The molecule is a dye.", "The molecule's colour is red."]
    asked: list[tuple[str, str]] = []

    def entails(pairs: list[tuple[str, str]]) -> np.ndarray:
        asked.extend(pairs)
        return np.array([hypothesis in premise for premise, hypothesis in pairs])

    assert complete_sentences([text], [atoms], entails).tolist() == [True, False, True]
    assert asked[1][1] == "The molecule is a dye and a gum." and atoms[1] in asked[1][0]
