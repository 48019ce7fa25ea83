"""SMILES: what is one, the canonical form, the key that rows are joined by, and leakage between sets."""

import pytest
from rdkit.Chem import rdMolHash
from rdkit.Chem.MolStandardize import rdMolStandardize

from molmix.data.smiles import HeldOut, canonical, compute_ahead, join_key, parse_smiles

# The canonical SMILES of these, taken once, has another canonical SMILES.
UNSTABLE = [
    "O=C(c1ccccc1C(=O)N1C(=O)c2ccccc2C1=O)N1C(=O)c2ccccc2C1=O",
    "O=C(C[C@]1(c2ccc(-c3ccc(F)cc3)cc2)C2CC3CC1CC(C2)[C@@H]3O)N1CC(O)C1",
    "COC(=O)CC[C@@H](C)[C@H]1CC[C@H]2[C@H]3[C@H](CC[C@@]21C)[C@@]1(C)CC[C@]2(C[C@H]1C[C@H]3OC(C)=O)OOC1(CC[C@@H](C)CC1)"
    "OO2",
]


@pytest.mark.parametrize("smiles", UNSTABLE)
def test_canonical_smiles_are_their_own_canonical_smiles(smiles: str) -> None:
    from rdkit import Chem

    once = Chem.MolToSmiles(Chem.MolFromSmiles(smiles))
    assert Chem.MolToSmiles(Chem.MolFromSmiles(once)) != once  # RDKit's own is not
    assert canonical(smiles) == canonical(once) == canonical(canonical(smiles) or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "C1CC",
        "I cannot help with that.",
        "CCO is ethanol",
        "CCO\tx",
        "CCO\x00",
        "CCО",
        "C |$a$|",
        "C" * 20_000,
    ],
)
def test_text_that_is_no_smiles(text: str) -> None:
    assert parse_smiles(text) is None and canonical(text) is None


def test_spaces_around_and_atom_maps_do_not_matter() -> None:
    assert canonical(" OCC\n") == "CCO"
    assert canonical("[CH3:1][C:2](=[O:3])[OH:4]") == canonical("CC(=O)O")
    assert canonical("[CH3:1][C@H](O)[CH3:2]") == canonical("CC(O)C")  # no stereocentre without the maps


def test_join_key_of_what_rdkit_cannot_read_is_the_text() -> None:
    assert join_key("OCC", "molecules") == "CCO"
    assert join_key(" c1cccc1 ", "molecules") == "c1cccc1"
    assert join_key("O  CC", "text") == "O CC"
    assert join_key("OCC", "text") == "OCC"


@pytest.mark.parametrize(
    ("held", "other", "level"),
    [
        ("CCO", "CCO", "exact"),
        ("CCO", "CCN", None),
        ("CC(O)C(=O)O", "C[C@H](O)C(=O)O", "stereo"),  # flat and enantiomer
        ("C[C@@H](O)C(=O)O", "C[C@H](O)C(=O)O", "stereo"),
        ("CC=CC", "C/C=C/C", "stereo"),
        ("Oc1ccccc1", "[Na+].[O-]c1ccccc1", "parent"),  # salt
        ("CCN", "CC[NH3+].[Cl-]", "parent"),
        ("CC(=O)[O-].[K+]", "CC(=O)[O-].[Na+]", "parent"),
        ("CC(=O)O", "CC(=O)O[Na]", "parent"),  # a metal that is not disconnected
        ("CC(=O)O", "CC(=O)[O-]", "parent"),  # charge
        ("CO", "[2H]C([2H])([2H])O", "parent"),  # isotopes
        ("CC(=O)CC(C)=O", "CC(=O)C=C(C)O", "parent"),  # tautomer
        ("Oc1ccncc1", "O=c1cc[nH]cc1", "parent"),
        ("O[C@@H](C)c1ccncc1", "[Cl-].O[C@H](C)c1cc[nH+]cc1", "parent"),
        ("[Na+].[Cl-]", "[Na+].[Br-]", None),
        ("CCCC", "CC(C)C", None),
        ("CC=CC", "C=CCC", None),  # isomers with the same skeleton
        # Tautomers, salts and isotopes of molecules that have a double bond far from every oxygen, and its isomers.
        ("CCCC=CCCCCCCCCC(=O)CC(C)=O", "CCCC=CCCCCCCCCC(O)=CC(C)=O", "parent"),
        ("CCCC=CCCCCCCCCC(=O)O", "CCC/C=C/CCCCCCCCC(=O)[O-].[Na+]", "parent"),
        ("CCCC=CCCCCCCCCC(=O)O", "CCCC=CCCCCCCCCC(=O)[O-]", "parent"),
        ("CCCC=CCCCCCCCCC(=O)O", "[2H]CCCC=CCCCCCCCCC(=O)O", "parent"),
        ("CCCC=CCCCCCCCCC(=O)O", "CC=CCCCCCCCCCCC(=O)O", None),
        ("CCCCCC=CCC=CCCCCCCCC(=O)O", "CCCCCC=CC=CCCCCCCCCC(=O)O", None),
    ],
)
def test_how_near_a_molecule_comes_to_a_held_out_one(held: str, other: str, level: str | None) -> None:
    for first, second in ((held, other), (other, held)):
        out = HeldOut("molecules")
        out.add([join_key(first, "molecules")], "tests.one")
        assert out.find(join_key(second, "molecules")) == (level and (level, "tests.one"))


def test_isomers_with_other_double_bonds_need_no_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus of lipids has many thousands of them, and a parent takes 20 ms."""

    def refused(molecule: object) -> None:
        raise AssertionError("a parent was computed")

    monkeypatch.setattr(rdMolStandardize, "SuperParent", refused)
    out = HeldOut("molecules")
    out.add(["CCCCCC=CCC=CCCCCCCCC(=O)OC"], "tests.one")
    assert out.find("CCCC=CCC=CCCCCCCCCCC(=O)OC") is None


def test_molecules_of_another_size_need_no_skeleton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most molecules of a corpus have the size of no held-out one, and a skeleton takes a third of their time."""

    def refused(*_: object) -> None:
        raise AssertionError("a skeleton was computed")

    out = HeldOut("molecules")
    out.add([join_key("CCCCC(N)C(=O)O", "molecules")], "tests.one")
    with monkeypatch.context() as patch:
        patch.setattr(rdMolHash, "MolHash", refused)
        compute_ahead(["CCCCCC(N)C(=O)O", "OCCC(N)C(=O)O"], 1, scaffolds=False, sizes=out.sizes)
        assert all(out.find(join_key(text, "molecules")) is None for text in ("CCCCCC(N)C(=O)O", "OCCC(N)C(=O)O"))
    ion = "CCCCC([NH3+])C([O-])=O"  # of the same size
    compute_ahead([ion], 1, scaffolds=False, sizes=out.sizes)
    assert out.find(join_key(ion, "molecules")) == ("parent", "tests.one")


def test_texts_and_unreadable_molecules_are_found_as_they_are() -> None:
    for domain in ("text", "molecules"):
        out = HeldOut(domain)
        out.add(["c1cccc1"], "tests.one")
        assert out.find("c1cccc1") == ("exact", "tests.one") and out.find("c1cccc1C") is None
    out = HeldOut("text")
    out.add(["CC(=O)O"], "tests.one")
    assert out.find("CC(=O)[O-]") is None
