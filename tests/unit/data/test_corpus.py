"""Corpus: what is read, what is refused, what is left out and counted."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table
from molmix.data import preferences
from molmix.data.corpus import build_corpus
from molmix.data.settings import FileSource
from molmix.data.smiles import canonical
from molmix.data.sources import read_file

ALKANES = ["C" * n for n in range(1, 41)]


def write(path: Path, rows: list[tuple[str, str]], header: str = "molecule\tcaption") -> dict[str, Any]:
    path.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return {"kind": "file", "path": str(path)}


@pytest.fixture
def corpus(tmp_path: Path):
    """Build a corpus from forty alkanes for training and three molecules for a test, with changes."""

    def make(train=None, test=None, domain="molecules", seed=1, shares=(), **data):
        train = train or [(smiles, f"A chain of {len(smiles)}.") for smiles in ALKANES]
        test = test or [("OCC", "An alcohol."), ("CCO", "Ethanol."), ("CC", "Ethane.")]
        spec = {
            "train": train if isinstance(train, dict) else write(tmp_path / "train.tsv", train),
            "tests": {"one": {"source": write(tmp_path / "test.tsv", test)}},
            "subset": {"fraction": 0.5},
            **data,
        }
        out = tmp_path / "out"
        build_corpus(
            data=spec,
            domain=domain,
            seed=seed,
            shares=shares,
            world=tmp_path / "none",
            corpora={"": out, **{name: out / name for name in data.get("corpora", {})}},
            tests={"one": out / "one.parquet"},
            manifest=out / "manifest.json",
        )
        tables = {str(p.relative_to(out).with_suffix("")): read_table(p).to_pandas() for p in out.rglob("*.parquet")}
        return tables, read_json(out / "manifest.json")["counts"]

    return make


def test_molecules_of_a_test_set_leave_training_and_are_counted(corpus) -> None:
    tables, counts = corpus()
    assert "CC" not in set(tables["train"]["molecule"])
    assert counts["train"]["removed_in_tests.one"] == 1


def test_captions_of_one_molecule_become_its_references(corpus) -> None:
    tables, counts = corpus()
    row = tables["one"].set_index("molecule").loc["CCO"]
    assert list(row["references"]) == ["An alcohol.", "Ethanol."]
    assert counts["tests.one"]["molecules"] == 2


def test_splits_share_no_molecule(corpus) -> None:
    tables, counts = corpus(subset={"fraction": 1.0})
    sets = {name: set(table["molecule"]) for name, table in tables.items()}
    assert len(sets["validation"]) == counts["validation"]["held_out_of_subset"] > 0
    assert not sets["validation"] & sets["train"]
    assert not sets["one"] & (sets["train"] | sets["validation"])
    assert sets["subset"] <= sets["train"]


def test_a_further_corpus_is_split_for_itself_and_changes_nothing_of_the_first(corpus, tmp_path: Path) -> None:
    amines = [(f"{smiles}N", f"An amine of {len(smiles)}.") for smiles in ALKANES] + [("CCO", "Ethanol.")]
    alone, _ = corpus()
    tables, counts = corpus(corpora={"amines": write(tmp_path / "amines.tsv", amines)})
    assert all(tables[name].equals(table) for name, table in alone.items())
    sets = {name: set(tables[f"amines/{name}"]["molecule"]) for name in ("train", "subset", "validation")}
    assert counts["corpora.amines"]["removed_in_tests.one"] == 1 and "CCO" not in sets["train"]
    assert all("N" in molecule for molecule in sets["train"]) and sets["subset"] <= sets["train"]
    assert len(sets["validation"]) == counts["corpora.amines.validation"]["held_out_of_subset"] > 0
    assert not sets["validation"] & sets["train"]


def test_the_seed_decides_the_subset(corpus) -> None:
    draws = [corpus(seed=seed)[0]["subset"]["id"].tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_scaffold_subset_takes_whole_scaffolds(corpus) -> None:
    rings = [(f"C1CC{'C' * k}C1{'C' * n}", f"{k} {n}") for k in range(4) for n in range(1, 11)]
    tables, _ = corpus(train=rings, subset={"fraction": 0.5, "strategy": "scaffold"}, validation=None)
    per_ring = tables["subset"]["caption"].str.split().str[0].value_counts()
    assert sum(count >= 9 for count in per_ring) == len(per_ring)  # ten each, one held out for validation


def test_stratified_subset_keeps_shares(tmp_path: Path) -> None:
    rows = [
        {"m": smiles, "c": f"x {smiles}", "p": ["rare"] if n % 10 == 0 else ["often"]}
        for n, smiles in enumerate(ALKANES)
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = {
        "kind": "file",
        "path": str(tmp_path / "p.jsonl"),
        "columns": {"molecule": "m", "caption": "c", "properties": "p"},
    }
    out = tmp_path / "s"
    build_corpus(
        data={
            "train": source,
            "validation": write(tmp_path / "v.tsv", [("CCO", "Ethanol.")]),
            "tests": {"one": {"source": write(tmp_path / "t.tsv", [("CN", "Methylamine.")])}},
            "subset": {"fraction": 0.5, "strategy": "stratified"},
        },
        domain="molecules",
        seed=1,
        world=tmp_path,
        corpora={"": out},
        tests={"one": out / "d"},
        manifest=out / "e",
    )
    kept = [tuple(p) for p in read_table(out / "subset.parquet").to_pandas()["properties"]]
    assert (kept.count(("rare",)), kept.count(("often",))) == (2, 18)


@pytest.mark.parametrize("strategy", ["random", "scaffold", "stratified"])
def test_smaller_shares_lie_inside_larger_ones(corpus, tmp_path: Path, strategy: str) -> None:
    rows = [{"m": smiles, "c": f"x {smiles}", "p": [f"of {len(smiles) % 3}"]} for smiles in ALKANES]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = {"molecule": "m", "caption": "c", "properties": "p"}
    train = {"kind": "file", "path": str(tmp_path / "p.jsonl"), "columns": columns}
    given = {"train": train, "test": [("CCO", "y")], "subset": {"fraction": 0.5, "strategy": strategy}}
    alone, counted = corpus(**given)
    tables, counts = corpus(**given, shares=[0.1, 0.5, 1.0])
    # What the rest of the study sees does not depend on the shares of some alignments, nor does validation.
    subset = tables["subset"]
    assert list(subset[subset["share"] <= 0.5]["id"]) == list(alone["subset"]["id"])
    assert counts["subset"].items() >= counted["subset"].items()
    assert list(tables["validation"]["id"]) == list(alone["validation"]["id"])
    assert counts["subset"]["rows_by_share"] == {
        str(share): int((subset["share"] <= share).sum()) for share in (0.1, 0.5, 1.0)
    }
    validated = counts["validation"]["held_out_of_subset"]
    assert len(subset) == 40 - validated and sum(subset["share"] <= 0.5) == 20 - validated
    if strategy == "stratified":  # thirteen or fourteen of each kind, in half of them six or seven
        kept = alone["subset"]["properties"].map(lambda names: names[0]).value_counts()
        assert kept.min() + validated >= 6


def test_stratified_without_properties_is_refused(corpus) -> None:
    with pytest.raises(MolmixError, match=r"columns\.properties"):
        corpus(subset={"strategy": "stratified"})


@pytest.mark.parametrize(("policy", "kept"), [("drop", 40), ("keep", 41)])
def test_unparsable_smiles_follow_the_policy_and_are_counted(corpus, policy, kept) -> None:
    rows = [(smiles, "x") for smiles in ALKANES] + [("C1CC", "An open ring.")]
    _, counts = corpus(train=rows, unparsable=policy, test=[("CCO", "y")], subset={"fraction": 0.1})
    word = "dropped" if policy == "drop" else "kept"
    assert counts["train"][f"unparsable_{word}"] == 1
    assert counts["train"]["rows"] == kept


def test_repeats_and_stray_whitespace_are_counted(corpus) -> None:
    rows = [(s, "x") for s in ALKANES] + [("OC", " An   alcohol."), ("CO", "An alcohol.")]
    _, counts = corpus(train=rows)
    assert counts["train"]["repeated_dropped"] == 1
    assert counts["train"]["whitespace_normalised"] == 1


def test_text_domain_leaves_the_source_text_alone(corpus) -> None:
    tables, _ = corpus(
        train=[(f"Text number {n}", f"Answer {n}") for n in range(40)],
        test=[("Other", "Text")],
        domain="text",
    )
    assert "Text number 3" in set(tables["train"]["molecule"])


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ([("CC", "")], ["row 1", "caption", "''"]),
        ([("", "x")], ["row 1", "molecule"]),
        ([("CC", "a\tb")], ["row 1", "3 fields", "header has 2"]),
        ([("xx", "a")], ["none of 1 rows", "xx"]),
    ],
)
def test_bad_rows_are_refused_with_file_and_row(corpus, train, expected) -> None:
    with pytest.raises(MolmixError) as caught:
        corpus(train=train)
    assert all(part in str(caught.value) for part in expected)


def test_duplicate_ids_are_refused(tmp_path: Path, corpus) -> None:
    write(tmp_path / "ids.tsv", [("a", "CC\tx"), ("a", "CCC\ty")], header="id\tmolecule\tcaption")
    with pytest.raises(MolmixError, match="row 2: id 'a' is that of row 1"):
        corpus(validation={"kind": "file", "path": str(tmp_path / "ids.tsv"), "columns": {"id": "id"}})


def test_fewer_rows_than_asked_for(tmp_path: Path, corpus) -> None:
    source = write(tmp_path / "t.tsv", [("CCO", "x")])
    with pytest.raises(MolmixError, match="5 asked for, 1 there"):
        corpus(tests={"one": {"source": source, "rows": 5}})


# ---- files ----------------------------------------------------------------------------------------------------


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


# ---- preference pairs -----------------------------------------------------------------------------------------


def test_pairs_equal_ones_dropped_and_counted(tmp_path: Path, corpus) -> None:
    corpus(test=[("CCO", "y")])
    write(
        tmp_path / "r.tsv",
        [("C", "A chain of 1."), *((s, "Some gas.") for s in ALKANES[1:30])],
        "molecule\ttext",
    )
    out = tmp_path / "out"
    preferences.build_pairs(
        corpus={"train": out / "train.parquet"},
        rejected={
            "mol2cap": {
                "kind": "file",
                "format": "auto",
                "quoting": "minimal",
                "molecule": "molecule",
                "text": "text",
            }
        },
        texts={"mol2cap": tmp_path / "r.tsv"},
        templates={"mol2cap": "M: {molecule}\nC:"},
        domain="molecules",
        share=0.1,
        pairs=out / "pairs.parquet",
        manifest=out / "pairs.json",
    )
    rows = read_table(out / "pairs.parquet").to_pylist()
    counts = read_json(out / "pairs.json")["counts"]["mol2cap.train"]
    assert counts["rows"] == counts["equal_dropped"] + counts["no_rejected_text"] + len(rows)
    # Methane's texts are equal, unless validation drew it.
    assert counts["equal_dropped"] == int("C" in set(read_table(out / "train.parquet").to_pandas()["molecule"]))
    assert rows[0]["rejected"] == " Some gas."
    assert rows[0]["prompt"].startswith("M: C") and rows[0]["prompt"].endswith("\nC:")


def test_pairs_are_of_the_share_that_is_asked_for(tmp_path: Path, corpus) -> None:
    tables, _ = corpus(test=[("CCO", "y")], shares=[0.1, 1.0])
    write(tmp_path / "r.tsv", [(smiles, "Some gas.") for smiles in ALKANES], "molecule\ttext")
    out, ids = tmp_path / "out", {}
    source = {"kind": "file", "format": "auto", "quoting": "minimal", "molecule": "molecule", "text": "text"}
    for share in (0.1, 0.5, 1.0):
        preferences.build_pairs(
            corpus={"train": out / "subset.parquet", "validation": out / "validation.parquet"},
            rejected={"mol2cap": source},
            texts={"mol2cap": tmp_path / "r.tsv"},
            templates={"mol2cap": "M: {molecule}\nC:"},
            domain="molecules",
            share=share,
            pairs=out / "pairs.parquet",
            manifest=out / "pairs.json",
        )
        pairs = read_table(out / "pairs.parquet").to_pandas()
        ids[share] = set(pairs[pairs["split"] == "train"]["id"])
        assert ids[share] == set(tables["subset"][tables["subset"]["share"] <= share]["id"])
        assert set(pairs[pairs["split"] == "validation"]["id"]) == set(tables["validation"]["id"])
    assert ids[0.1] < ids[0.5] < ids[1.0]
