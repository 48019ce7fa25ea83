"""Corpus: what is read, what is refused, what is left out and counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table
from molmix.data import smiles
from molmix.data.corpus import build_corpus
from molmix.data.smiles import LARGEST_WITH_SCAFFOLD

ALKANES = ["C" * n for n in range(1, 41)]


def write(path: Path, rows: list[tuple[str, str]], header: str = "molecule\tcaption") -> dict[str, Any]:
    path.write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return {"kind": "file", "path": str(path)}


@pytest.fixture
def corpus(tmp_path: Path):
    """Build a corpus from forty alkanes for training and three molecules for a test, with changes."""

    def make(train=None, test=None, domain="molecules", seed=1, shares=(), processes=1, **data):
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
            processes=processes,
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


def test_a_molecule_that_is_too_large_for_a_scaffold_is_its_own(corpus) -> None:
    small = [("C1CC1" + "C" * n, f"{n}") for n in range(1, 11)]
    large = [("C1CC1" + "C" * (LARGEST_WITH_SCAFFOLD + n), f"large {n}") for n in range(-3, 8)]
    subset = {"fraction": 1.0, "strategy": "scaffold"}
    tables, counts = corpus(train=small + large, subset=subset)
    assert counts["subset"]["too_large_for_a_scaffold"] == 10  # the first one has as many atoms as are allowed
    assert len(tables["subset"]) + len(tables["validation"]) == len(small) + len(large)
    _, counts = corpus(train=small, subset=subset)
    assert "too_large_for_a_scaffold" not in counts["subset"]


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


LEAKS = [
    ("[CH3:1][C:2](=[O:3])[OH:4]", "Acetic acid with atom maps."),
    ("C[C@H](O)C(=O)O", "L-lactic acid."),
    ("[Na+].[O-]c1ccccc1", "Sodium phenolate."),
    ("CC(=O)C=C(C)O", "An enol."),
    ("CC[NH3+].[Cl-]", "A salt."),
]
HELD = [("CC(=O)O", "a"), ("CC(O)C(=O)O", "b"), ("c1ccc(O)cc1", "c"), ("CC(=O)CC(C)=O", "d"), ("CCN", "e")]


@pytest.mark.parametrize(("level", "removed"), [("exact", 1), ("stereo", 2), ("parent", 5), (None, 5)])
def test_forms_of_test_molecules_leave_training_by_the_level_and_all_are_counted(corpus, level, removed) -> None:
    given = {"leakage": level} if level else {}
    rows = LEAKS + [(smiles, "A chain.") for smiles in ALKANES]
    tables, counts = corpus(train=rows, test=HELD, validation=None, subset={"fraction": 1.0}, **given)
    assert counts["train"]["leakage"]["tests.one"] == {"exact": 1, "stereo": 1, "parent": 3}
    assert counts["train"]["removed_in_tests.one"] == removed
    captions = {*tables["train"]["caption"], *tables["validation"]["caption"]}
    assert len(captions & {caption for _, caption in LEAKS}) == len(LEAKS) - removed


def test_forms_of_validation_molecules_leave_training(corpus, tmp_path: Path) -> None:
    validation = write(tmp_path / "validation.tsv", [("CCN", "Ethylamine.")])
    rows = [(smiles, "A chain.") for smiles in ALKANES] + [("CC[NH3+].[Cl-]", "A salt.")]
    tables, counts = corpus(train=rows, validation=validation)
    assert counts["train"]["removed_in_validation"] == 1
    assert "A salt." not in set(tables["train"]["caption"])


def test_forms_of_molecules_held_out_of_the_subset_leave_training(corpus) -> None:
    acids = [(f"{'C' * n}C(=O)O", "acid") for n in range(1, 41)]
    rows = acids + [(f"{smiles[:-1]}[O-]", "salt") for smiles, _ in acids]
    tables, counts = corpus(train=rows, subset={"fraction": 1.0})
    held = {molecule.replace("[O-]", "O") for molecule in tables["validation"]["molecule"]}
    left = {molecule.replace("[O-]", "O") for molecule in tables["train"]["molecule"]}
    assert held and not held & left
    assert counts["train"]["leakage"]["validation"]["parent"] > 0


def test_a_test_set_keeps_the_strings_of_its_source(corpus) -> None:
    tables, _ = corpus(test=[("OCC", "x"), ("C(C)O", "y"), (" C1=CC=CC=C1 ", "z")])
    assert dict(zip(tables["one"]["molecule"], tables["one"]["smiles"], strict=True)) == {
        "CCO": "OCC",
        "c1ccccc1": "C1=CC=CC=C1",
    }


def test_properties_of_all_rows_of_a_molecule_count(corpus, tmp_path: Path) -> None:
    """Both in test sets and in the stratified subset, also where a row repeats another one's caption."""

    def source(name: str, rows: list[tuple[str, str, list[str] | None]]) -> dict[str, Any]:
        path = tmp_path / name
        path.write_text("\n".join(json.dumps({"molecule": m, "caption": c, "p": p}) for m, c, p in rows))
        return {"kind": "file", "path": str(path), "columns": {"properties": "p"}}

    test = source("t.jsonl", [("OCC", "x", ["b"]), ("CCO", "x", ["a"]), ("CCO", "y", ["b", "c"]), ("CN", "z", None)])
    # The rare property is that of a molecule's first row, or of its last one.
    rows = [(s, f"{n}", ["rare" if n == s.count("C") % 2 else "often"]) for s in ALKANES[:20] for n in (0, 1)]
    rows += [(s, f"{n}", ["often"]) for s in ALKANES[20:] for n in (0, 1)]
    train = source("p.jsonl", rows)
    tables, _ = corpus(
        train=train,
        tests={"one": {"source": test}},
        subset={"fraction": 0.5, "strategy": "stratified"},
        validation=write(tmp_path / "v.tsv", [("CCN", "w")]),
    )
    properties = tables["one"].set_index("molecule")["properties"]
    assert list(properties["CCO"]) == ["b", "a", "c"] and properties["CN"] is None
    drawn = tables["subset"]["molecule"].drop_duplicates()
    assert sum(len(molecule) <= 20 for molecule in drawn) == 10


def test_texts_of_any_length_and_with_nul_are_drawn(corpus, tmp_path: Path) -> None:
    """As NumPy strings, 2,000 rows beside one of 4 MB asked for 32 GB, and the text that ends in NUL lost its row."""
    texts = [f"record {n}" for n in range(2000)]
    texts[3] += " and more" * 450_000
    texts[5] += "\x00"
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(json.dumps({"molecule": text, "caption": f"{n}"}) for n, text in enumerate(texts)))
    train = {"kind": "file", "path": str(path)}
    test = [("Other", "Text")]
    tables, counts = corpus(train=train, test=test, domain="text", subset={"fraction": 1.0})
    assert counts["subset"]["rows"] + counts["validation"]["rows"] == 2000
    assert {*tables["subset"]["molecule"], *tables["validation"]["molecule"]} == set(texts)


def test_the_same_draws_as_of_an_array_of_strings(corpus) -> None:
    """The random subset of earlier versions: permuting indices draws the same molecules as permuting strings did."""
    import numpy as np

    tables, _ = corpus(subset={"fraction": 0.5}, leakage="exact")
    molecules = [smiles for smiles in ALKANES if smiles != "CC"]
    draw = np.random.default_rng(1)
    drawn = set(draw.permutation(molecules)[: round(0.5 * len(molecules))].tolist())
    held = set(draw.permutation([smiles for smiles in molecules if smiles in drawn])[: int(0.05 * len(drawn))].tolist())
    assert set(tables["subset"]["molecule"]) == drawn - held


RINGS = (
    ["C" * n + "c1ccccc1" for n in range(1, 21)] + ["C" * n + "c1ccncc1" for n in range(1, 6)] + ["C1CCCCC1", "C1CCC1"]
)


@pytest.fixture
def one_file(tmp_path: Path):
    """Build a corpus from one file, of which a test set and validation are held out."""

    def make(rows: list[tuple[str, str]], **data: Any) -> tuple[dict[str, list[str]], dict[str, Any]]:
        out = tmp_path / "out"
        build_corpus(
            data={"train": write(tmp_path / "all.tsv", rows), "subset": {"fraction": 1.0}, **data},
            domain="molecules",
            seed=1,
            world=None,
            corpora={"": out},
            tests={"test": out / "test.parquet"},
            manifest=out / "manifest.json",
        )
        tables = {path.stem: read_table(path) for path in out.glob("*.parquet")}
        return {name: table["molecule"].to_pylist() for name, table in tables.items()}, read_json(out / "manifest.json")

    return make


def test_parts_of_one_file_share_no_molecule(one_file) -> None:
    rows = [(smiles, f"A chain of {len(smiles)}.") for smiles in ALKANES] + [("CC", "Ethane, again.")]
    found, manifest = one_file(rows, test_fraction=0.25, validation_fraction=0.1)
    assert {name: len(set(found[name])) for name in ("test", "validation", "train")} == {
        "test": 10,
        "validation": 4,
        "train": 26,
    }
    assert sorted({*found["test"], *found["validation"], *found["train"]}) == sorted(ALKANES)
    assert manifest["counts"]["tests.test"]["fraction"] == 0.25
    assert found == one_file(rows, test_fraction=0.25, validation_fraction=0.1)[0], "the seed decides"
    full = {"source": {"kind": "held_out", "fraction": 0.25}}
    same, again = one_file(rows, tests={"test": full}, validation={"kind": "held_out", "fraction": 0.1})
    assert same == found and again == manifest


def test_held_out_scaffolds_are_not_in_training(one_file) -> None:
    found, _ = one_file([(smiles, f"Of {len(smiles)}.") for smiles in RINGS], test_fraction=0.25, split="scaffold")
    benzenes = [smiles for smiles in RINGS if "c1ccccc1" in smiles]
    assert set(benzenes) <= {*found["train"], *found["validation"]}, "a scaffold of more molecules than the share stays"
    assert set(found["test"]) == set(RINGS) - set(benzenes), "7 of 27: all smaller scaffolds"


def test_a_share_without_a_scaffold_that_is_small_enough(one_file) -> None:
    rows = [(smiles, f"A chain of {len(smiles)}.") for smiles in ALKANES]
    with pytest.raises(MolmixError, match=r"data\.tests\.test: no scaffold of 40 molecules is as small as 4"):
        one_file(rows, test_fraction=0.1, split="scaffold")


def test_a_set_is_given_once(one_file) -> None:
    with pytest.raises(ValueError, match="`test_fraction` makes `test`, which is given too"):
        one_file([("C", "x")], test_fraction=0.1, tests={"test": {"source": {"kind": "held_out", "fraction": 0.1}}})


@pytest.mark.parametrize("strategy", ["random", "scaffold"])
def test_several_processes_make_the_same_corpus(corpus, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    """Canonical forms, scaffolds, and the parents that leaks are found by."""
    train = [(f"{'C' * n}c1cc[nH]c1", f"A pyrrole {n}.") for n in range(1, 12)]
    train += [(f"{'C' * n}C([NH3+])C(=O)[O-]", f"An acid {n}.") for n in range(1, 12)]
    train += [("C1CC1" + "C" * LARGEST_WITH_SCAFFOLD, "Large."), ("F/C=C/F", "One form."), ("C/C=C\\O", "An enol.")]
    chosen = {
        "train": train,
        "test": [("CCCC(N)C(=O)O", "Neutral."), ("FC=CF", "Flat."), ("CCC=O", "An aldehyde.")],
        "subset": {"fraction": 0.5, "strategy": strategy},
        "leakage": "parent",
    }
    tables, counts = corpus(**chosen)
    for name in ("FEWEST_FOR_PROCESSES", "FEWEST_PARENTS_FOR_PROCESSES"):
        monkeypatch.setattr(smiles, name, 1)
    forget_molecules()
    again, counts_again = corpus(**chosen, processes=2)
    assert counts_again == counts and counts["train"]["removed_in_tests.one"] == 3
    assert all(again[name].equals(table) for name, table in tables.items())


def forget_molecules() -> None:
    for function in vars(smiles).values():
        if hasattr(function, "answers"):
            function.answers.clear()
