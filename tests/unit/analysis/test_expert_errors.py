"""Errors as experts find them in real captions: each changes what the molecule is said to be."""

import csv
import re
from collections import Counter

import pytest

from molmix.analysis.judge_validation.perturbations import EDITS
from molmix.analysis.judge_validation.perturbations.chemical_class import EXCLUSIVE
from molmix.analysis.judge_validation.planting import plant
from molmix.judges.decompose.backends.rules import decompose
from molmix.judges.structure import count_substituent, decide, structure_of

EXPERT = ("substituent", "chemical-class", "derivation", "stereo", "composition", "locant")
PARACETAMOL = "CC(=O)NC1=CC=C(O)C=C1"
TYROSINE = "N[C@@H](CC1=CC=C(O)C=C1)C(=O)O"


def row(caption, molecule, name="a"):
    return {"id": name, "references": [caption], "molecule": molecule, "facts": None, "truth": None}


def edited(edit, caption, molecule, others=()):
    """All texts that 40 seeds make of a caption."""
    rows = [row(caption, molecule), *(row(text, None, f"z{number}") for number, text in enumerate(others))]
    made = [v for seed in range(40) for v in plant(rows, edits=[edit], doses=[1], molecules=None, seed=seed)]
    return {v["text"] for v in made if v["of"] == "a" and v["edit"] == edit}


def test_a_substituent_becomes_one_that_the_molecule_does_not_have():
    caption = "The molecule is acetamide substituted by a 4-hydroxyphenyl group. It carries an amino group."
    texts = edited("substituent", caption, PARACETAMOL)
    assert "The molecule is acetamide substituted by a 4-nitrophenyl group. It carries an amino group." in texts
    assert any("carries a " in text for text in texts)  # the article fits
    assert not any("4-acetylphenyl" in text for text in texts)  # it has one
    assert edited("substituent", caption, "no SMILES") == set()


def test_a_class_becomes_one_that_is_false():
    texts = edited("chemical-class", "The molecule is a secondary carboxamide. It is a secondary alcohol.", TYROSINE)
    assert texts and all("secondary carboxamide" in text for text in texts)  # its class is not one that is decided
    for text in texts:
        (verdict,) = (decide(atom, structure_of(TYROSINE)) for atom in decompose([text])[0][1:])
        assert verdict and not verdict.true, text
    assert not any("primary amino compound" in text for text in texts)  # it is one
    assert edited("chemical-class", "The molecule is a diterpenoid.", None) >= {"The molecule is a triterpenoid."}
    assert edited("chemical-class", "The molecule has a role as a nitrile.", TYROSINE) == set()


def test_a_parent_becomes_that_of_another_molecule():
    others = ["It derives from a glycine.", "It is a conjugate base of a phenol.", "It derives from a hydroxyphenol."]
    assert edited("derivation", "The molecule derives from a phenol.", TYROSINE, others) == {
        "The molecule derives from a glycine."  # "hydroxyphenol" holds "phenol": it could be true
    }
    assert edited("derivation", "The molecule is a conjugate base of a tyrosine.", TYROSINE, others) == {
        "The molecule is a conjugate base of a phenol."
    }
    assert edited("derivation", "The molecule is a dye.", TYROSINE, others) == set()


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("The molecule is a L-tyrosine.", {"The molecule is a D-tyrosine."}),
        ("The molecule is (2S,3R)-x.", {"The molecule is (2R,3R)-x.", "The molecule is (2S,3S)-x."}),
        ("The molecule is (9Z)-x.", {"The molecule is (9E)-x."}),
        ("The molecule is beta-D-glucose.", {"The molecule is alpha-D-glucose.", "The molecule is beta-L-glucose."}),
        ("The molecule is cis-x.", {"The molecule is trans-x."}),
        ("The molecule has R-configuration.", {"The molecule has S-configuration."}),
        ("The molecule is a dye.", set()),
    ],
)
def test_a_configuration_is_inverted(caption, expected):
    assert edited("stereo", caption, TYROSINE) == expected


def test_a_molecule_without_configurations_has_none_to_invert():
    assert edited("stereo", "The molecule is an enantiomer of L-tyrosine.", "CCO") == set()


def test_building_blocks_their_order_and_number():
    assert "The molecule is the tripeptide Glu-Gly-Ala." in edited(
        "composition", "The molecule is the tripeptide Gly-Glu-Ala.", None
    )
    assert any(
        "composed of glycine and serine" in t
        for t in edited("composition", "It is composed of glycine and valine.", None)
    )
    assert edited("composition", "The molecule is a disaccharide.", None) >= {"The molecule is a trisaccharide."}
    assert edited("composition", "The molecule is an alkaloid with formula C19H24N2.", None) == {
        f"The molecule is an alkaloid with formula {formula}." for formula in ("C21H24N2", "C19H26N2", "C19H24N4")
    }


def test_a_locant_moves_by_one_where_no_mirror_image_is_the_same():
    assert edited("locant", "The molecule is a 4-hydroxyphenyl compound.", None) == {
        "The molecule is a 3-hydroxyphenyl compound.",
        "The molecule is a 5-hydroxyphenyl compound.",
    }
    # 4- and 5-methylbenzene-1,2-diol are the same, and so are butan-2-ol and butan-3-ol.
    for same in ("a 4-methylbenzene-1,2-diol", "a butan-2-ol", "a 3-hydroxybutanedioic acid"):
        assert edited("locant", f"The molecule is {same}.", None) == set()
    texts = edited("locant", "The molecule is flavanone with hydroxy groups at positions 5 and 7.", None)
    assert {re.search(r"positions (.*)\.", text)[1] for text in texts} == {"4 and 7", "6 and 7", "5 and 6", "5 and 8"}


@pytest.fixture
def chebi20(shared):
    with (shared / "data/chebi20/test.tsv").open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row(line["description"], line["SMILES"].replace("\\\\", "\\"), line["CID"]) for line in lines[:1000]]


@pytest.mark.slow
def test_in_real_captions_no_edit_leaves_the_statement_true(chebi20):
    variants = plant(chebi20, edits=EXPERT, doses=[1, 2, 3], molecules=150, seed=1)
    made = Counter((variant["edit"], variant["k"]) for variant in variants)
    assert all(made[edit, 1] >= 20 and made[edit, 1] > made[edit, 2] > 0 for edit in EXPERT), made
    for variant in variants:
        before, after = (set(decompose([text])[0]) for text in (variant["references"][0], variant["text"]))
        structure = structure_of(variant["molecule"])
        for atom in after - before if structure and variant["edit"] == "chemical-class" else ():
            verdict = decide(atom, structure)
            by_lexicon = any(name in atom for group in EXCLUSIVE for name in group)  # "a pentacyclic sesquiterpenoid"
            assert by_lexicon or verdict is None or not verdict.true, (atom, variant["molecule"])
        if variant["edit"] == "substituent" and structure:
            words = [set(re.findall(r"[a-z]+", text)) for text in (" ".join(after), " ".join(before))]
            for name in words[0] - words[1]:
                assert not count_substituent(structure, name), (name, variant)


def test_where_facts_are_known_there_are_other_errors():
    known = row("The molecule is polar.", PARACETAMOL) | {"facts": ["polarity=polar"], "truth": ["polarity=polar"]}
    assert [v["edit"] for v in plant([known], edits=EXPERT, doses=[1], molecules=1, seed=0)] == ["none"]
    assert set(EXPERT) < EDITS.keys()
