import re
import subprocess
import sys
from collections import Counter
from itertools import product
from random import Random

import pytest
from rdkit import Chem

from molmix.core.errors import MolmixError
from molmix.data.synthetic import corpus as corpus_module
from molmix.data.synthetic import molecules as molecules_module
from molmix.data.synthetic.captions import DENIALS, atom, atoms, meanings, parse
from molmix.data.synthetic.facts import facts
from molmix.data.synthetic.logic import close, relation
from molmix.data.synthetic.molecules import molecules
from molmix.data.synthetic.nli import KINDS, nli_pairs
from molmix.data.synthetic.vocabulary import COUNTS, Fact


@pytest.fixture(scope="module")
def corpus():
    return corpus_module.corpus(2000, seed=3)


@pytest.fixture(scope="module")
def pairs():
    return nli_pairs(6000, seed=5, split="train")


def test_importing_the_world_leaves_torch_alone():
    code = "import sys, molmix.data.synthetic.corpus, molmix.data.synthetic.nli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- molecules


def test_molecules_are_distinct_canonical_and_short(corpus):
    assert corpus.molecule.is_unique
    for smiles in corpus.molecule.sample(200, random_state=0):
        assert Chem.CanonSmiles(smiles) == smiles
        assert "." not in smiles
    assert corpus.molecule.str.len().between(7, 45).all()


def test_molecules_follow_from_the_seed():
    assert molecules(60, seed=1) == molecules(100, seed=1)[:60]
    assert molecules(60, seed=1) != molecules(60, seed=2)


def test_too_many_molecules_are_refused(monkeypatch):
    monkeypatch.setattr(molecules_module, "CHAINS", ["CCCCCC"])
    monkeypatch.setattr(molecules_module, "RINGS", ["CCCCCC"])
    monkeypatch.setattr(molecules_module, "SUBSTITUENTS", {"C": ["O"]})
    with pytest.raises(MolmixError, match=r"fewer than 60 molecules\n  Hint: ask for \d\d at most"):
        molecules(60, seed=0)


# --- facts

KNOWN = {
    "CCO": "hydroxyl group=1, donor=1, acceptor=1, charge=neutral, size=small, polarity=nonpolar",
    "OCC(O)CO": """hydroxyl group=3, donor=3, acceptor=3,
        charge=neutral, size=small, polarity=moderately polar, role=humectant""",
    "CC(=O)[O-]": "carboxylate group=1, acceptor=2, charge=negative, size=small, polarity=moderately polar",
    "[NH3+]CC(=O)[O-]": """carboxylate group=1, ammonium group=1, donor=1, acceptor=2,
        charge=neutral, size=small, polarity=polar, role=buffer""",
    "O=C(O)c1ccccc1": """carboxylic acid group=1, ring=1, aromatic ring=1, benzene ring=1, donor=1,
        acceptor=1, charge=neutral, size=small, polarity=moderately polar, role=preservative""",
    "CCOC(C)=O": """ester group=1, acceptor=2,
        charge=neutral, size=small, polarity=nonpolar, role=fragrance, role=solvent""",
    "CC(N)=O": """amide group=1, donor=1, acceptor=1,
        charge=neutral, size=small, polarity=moderately polar""",
    "c1ccc2ncccc2c1": """ring=2, aromatic ring=2, benzene ring=1, pyridine ring=1, acceptor=1,
        charge=neutral, size=small, polarity=nonpolar""",
    "C1COCCN1": """ether group=1, ring=1, morpholine ring=1, donor=1, acceptor=2,
        charge=neutral, size=small, polarity=nonpolar""",
    "O=[N+]([O-])c1ccc(O)cc1": """hydroxyl group=1, nitro group=1, ring=1, aromatic ring=1, benzene ring=1,
        donor=1, acceptor=3, charge=neutral, size=small, polarity=moderately polar, role=dye,
        role=antioxidant""",
    "CCCCCCCCCCCCS(=O)(=O)[O-]": """sulfonate group=1, long alkyl chain=1, acceptor=3,
        charge=negative, size=medium, polarity=moderately polar, role=surfactant""",
    "Nc1ccc(S(N)(=O)=O)cc1": """amino group=1, sulfonamide group=1, ring=1, aromatic ring=1, benzene ring=1,
        donor=2, acceptor=3, charge=neutral, size=small, polarity=polar, role=antibiotic""",
    "CC(=O)CC=O": """ketone group=1, aldehyde group=1, acceptor=2,
        charge=neutral, size=small, polarity=moderately polar, role=fragrance, role=solvent""",
    "C[N+](C)(C)CCS": """ammonium group=1, thiol group=1, donor=1, acceptor=1,
        charge=positive, size=small, polarity=nonpolar, role=ligand""",
}


@pytest.mark.parametrize("smiles", KNOWN)
def test_facts_of_known_molecules(smiles):
    assert facts(smiles) == re.split(r",\s+", KNOWN[smiles])


def test_facts_agree_with_a_count_by_hand(corpus):
    """Hydroxyl groups, rings of six aromatic carbons and charge, without SMARTS."""
    for smiles, truth in zip(corpus.molecule, corpus.truth, strict=True):
        molecule = Chem.MolFromSmiles(smiles)
        hydroxyls = sum(
            atom.GetSymbol() == "O"
            and atom.GetTotalNumHs() == 1
            and all(
                neighbour.GetSymbol() == "C"
                and not any(bond.GetBondTypeAsDouble() == 2 for bond in neighbour.GetBonds())
                for neighbour in atom.GetNeighbors()
            )
            for atom in molecule.GetAtoms()
        )
        rings = [[molecule.GetAtomWithIdx(index) for index in ring] for ring in molecule.GetRingInfo().AtomRings()]
        benzenes = sum(
            len(ring) == 6 and all(a.GetIsAromatic() and a.GetSymbol() == "C" for a in ring) for ring in rings
        )
        charge = sum(atom.GetFormalCharge() for atom in molecule.GetAtoms())
        told = dict(fact.split("=") for fact in truth if not fact.startswith("role"))
        assert int(told.get("hydroxyl group", 0)) == hydroxyls, smiles
        assert int(told.get("benzene ring", 0)) == benzenes, smiles
        assert told["charge"] == ("negative", "neutral", "positive")[(charge > 0) - (charge < 0) + 1], smiles


def test_facts_of_no_molecule_are_refused():
    with pytest.raises(MolmixError, match="cannot read 'C1CC'"):
        facts("C1CC")


@pytest.mark.parametrize("text", ["hydroxyl group", "hydroxyl group=-1", "charge=odd", "role=wizard", "ring!=2", ""])
def test_unknown_facts_are_refused(text):
    with pytest.raises(MolmixError, match="not a fact"):
        Fact.read(text)


# --- captions


def test_every_caption_is_parsed_to_the_facts_it_was_made_of(corpus):
    for caption, stated, truth in zip(corpus.caption, corpus.facts, corpus.truth, strict=True):
        assert parse(caption) == stated
        assert set(stated) <= set(truth)
    words = corpus.caption.str.split().str.len()
    assert words.between(8, 45).mean() > 0.95
    assert corpus.facts.map(len).max() == 10


def test_every_way_to_say_a_fact_is_parsed_to_it():
    for fact in sorted(set(meanings().values())):
        sentences = atoms(fact)
        assert len(set(sentences)) == len(sentences) >= 4
        assert all(parse(sentence) == [fact] for sentence in sentences), fact


def split_by_english_alone(caption):
    """A decomposer that knows the verbs and nothing else."""
    verbs = "|".join(sorted(DENIALS, key=len, reverse=True))
    for sentence in caption.rstrip(".").split(". "):
        verb, items = re.fullmatch(rf"(?:The molecule|It) ({verbs}) (.*)", sentence).groups()
        yield from (f"The molecule {verb} {item}." for item in re.split(r",? and |, ", items))


def test_captions_come_apart_into_atoms_by_english_alone(corpus):
    for caption, stated in zip(corpus.caption, corpus.facts, strict=True):
        parts = list(split_by_english_alone(caption))
        assert len(parts) == len(stated)
        assert all(part in atoms(fact) for part, fact in zip(parts, stated, strict=True))


def test_an_atom_is_plain_or_drawn():
    assert atom("hydroxyl group=2") == "The molecule contains two hydroxyl groups."
    assert atom("hydroxyl group=0") == "The molecule contains no hydroxyl groups."
    assert atom("ester group=some") == "The molecule contains at least one ester group."
    assert atom("role!=dye") == "The molecule is not a dye."
    assert len({atom("charge=neutral", Random(seed)) for seed in range(40)}) == 4


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("", []),
        ("and , . and", []),
        ("The molecule", []),
        ("It contains two hydroxyl groups, two hydroxyl groups and two hydroxyl", ["hydroxyl group=2"]),
        ("the  molecule is a dye and a wizard.It is\nnot polar", ["role=dye", "polarity!=polar"]),
        ("The molecule has one ring. The molecule has 17 rings.", ["ring=1", "ring=17"]),
        ("The molecule contains contains one ring.", []),
        ("The molecule has a role as a small size.", []),
    ],
)
def test_parse_is_sure_or_silent(text, stated):
    assert parse(text) == stated


# --- the corpus


def test_corpus_splits_are_disjoint_and_of_the_promised_sizes(corpus):
    scaffolds = {split: set(rows.scaffold) for split, rows in corpus.groupby("split")}
    assert set(scaffolds) == {"train", "validation", "id", "ood"}
    assert not scaffolds["ood"] & (scaffolds["train"] | scaffolds["id"] | scaffolds["validation"])
    assert scaffolds["id"] | scaffolds["validation"] <= scaffolds["train"]
    shares = corpus.split.value_counts(normalize=True)
    assert shares["id"] == 0.08
    assert shares["validation"] == 0.015
    assert 0.07 <= shares["ood"] <= 0.08
    assert corpus.id.is_unique
    assert corpus.id[17] == "w00017"


def test_corpus_follows_from_the_seed():
    assert corpus_module.corpus(80, seed=4).equals(corpus_module.corpus(80, seed=4))
    assert not corpus_module.corpus(80, seed=4).equals(corpus_module.corpus(80, seed=5))


def test_corpus_that_cannot_be_split_is_refused():
    with pytest.raises(MolmixError, match="too few to split"):
        corpus_module.corpus(20, seed=0)


def test_the_closed_truth_decides_every_fact(corpus):
    for truth in corpus.truth[:10]:
        closed = close(truth)
        for fact in set(meanings().values()):
            assert relation(closed, [fact]) != "neutral"
        assert relation(closed, truth) == "entailment"
    assert relation(close(["ring=1"]), ["ester group=some"]) == "contradiction"


# --- what follows from what

E, N, C = "entailment", "neutral", "contradiction"


@pytest.mark.parametrize(
    ("premise", "hypothesis", "label"),
    [
        ("hydroxyl group=2", "hydroxyl group=2", E),
        ("hydroxyl group=2", "hydroxyl group=some", E),
        ("hydroxyl group=some", "hydroxyl group=2", N),
        ("hydroxyl group=2", "hydroxyl group=3", C),
        ("hydroxyl group=2", "hydroxyl group=0", C),
        ("hydroxyl group=0", "hydroxyl group=some", C),
        ("hydroxyl group=2", "amino group=2", N),
        ("hydroxyl group=2", "donor=1", N),
        ("charge=negative", "charge=neutral", C),
        ("charge=negative", "charge!=neutral", E),
        ("charge!=neutral", "charge=negative", N),
        ("charge!=neutral, charge!=positive", "charge=negative", E),
        ("charge=neutral", "charge!=neutral", C),
        ("charge=neutral", "polarity=polar", N),
        ("role=dye", "role=dye", E),
        ("role=dye", "role=ligand", N),
        ("role=dye", "role!=dye", C),
        ("role=dye", "role!=ligand", N),
        ("benzene ring=1", "ring=some", E),
        ("benzene ring=1", "aromatic ring=1", N),
        ("benzene ring=2", "ring=1", C),
        ("ring=0", "furan ring=some", C),
        ("ring=0", "furan ring=0", E),
        ("ring=1, benzene ring=1", "furan ring=0", E),
        ("ring=1, benzene ring=1", "aromatic ring=1", E),
        ("ring=2", "benzene ring=1, pyridine ring=2", C),
        ("ring=1, role=dye, charge=neutral", "role=dye", E),
        ("ring=1, role=dye", "role=dye, charge=neutral", N),
        ("ring=1, role=dye", "role=dye, ring=2", C),
        ("ring=1", "role=dye, ring=2", C),
        ("ring=1", "", N),
        ("", "ring=1", N),
        ("ether group=1, ether group=2", "ether group=1", C),
        ("ether group=1, ether group=2", "ester group=1", N),
    ],
)
def test_relation(premise, hypothesis, label):
    assert relation(*(text.split(", ") if text else [] for text in (premise, hypothesis))) == label


def test_relation_agrees_with_counting_worlds():
    """Against a count over every molecule with up to two rings of each sort, for up to three facts a side."""
    sorts = ["benzene ring", "furan ring", "cyclohexane ring"]
    worlds = []
    for benzene, furan, cyclohexane, aromatic, other in product(range(3), repeat=5):
        total = benzene + furan + aromatic
        counts = [benzene, furan, cyclohexane, total, total + cyclohexane + other]
        worlds.append(dict(zip([*sorts, "aromatic ring", "ring"], counts, strict=True)))
    facts = [f"{name}={value}" for name in worlds[0] for value in ("0", "1", "2", "some")]

    def holds(told, counts):
        named = (fact.split("=") for fact in told)
        return all(counts[name] > 0 if value == "some" else counts[name] == int(value) for name, value in named)

    rng = Random(0)
    seen = Counter()
    for _ in range(1500):
        premise, hypothesis = (rng.sample(facts, rng.randint(1, 3)) for _ in range(2))
        possible = [counts for counts in worlds if holds(premise, counts)]
        if possible:
            agree = [holds(hypothesis, counts) for counts in possible]
            label = E if all(agree) else N if any(agree) else C
            assert relation(premise, hypothesis) == label, (premise, hypothesis)
            seen[label] += 1
    assert min(seen.values()) > 50


# --- pairs


def test_every_label_follows_from_the_texts_alone(pairs):
    for row in pairs.itertuples():
        assert row.label == relation(parse(row.premise), parse(row.hypothesis)), row


def test_pairs_are_of_all_kinds_and_balanced(pairs):
    assert set(pairs.kind) == set(KINDS)
    shares = pairs.label.value_counts(normalize=True)
    assert shares.between(0.2, 0.5).all()
    assert shares.idxmax() == "neutral"
    assert (pairs[pairs.kind == "broken"].label == "neutral").all()
    text = " ".join(pairs.hypothesis)
    assert all(f" {word} " in text for word in ("no", "one", "seven", "twelve"))
    attributes = {Fact.read(fact).attribute for hypothesis in pairs.hypothesis for fact in parse(hypothesis)}
    assert attributes >= set(COUNTS)


def test_heldout_pairs_are_never_in_train(pairs):
    heldout = nli_pairs(3000, seed=5, split="heldout")
    train = set(zip(pairs.premise, pairs.hypothesis, strict=True))
    assert not train & set(zip(heldout.premise, heldout.hypothesis, strict=True))
    assert not train & set(zip(heldout.hypothesis, heldout.premise, strict=True))
    assert heldout.label.value_counts(normalize=True).between(0.2, 0.5).all()


def test_pairs_follow_from_the_seed():
    assert nli_pairs(50, 1, "train").equals(nli_pairs(50, 1, "train"))
    assert not nli_pairs(50, 1, "train").equals(nli_pairs(50, 2, "train"))


def test_unknown_nli_split_is_refused():
    with pytest.raises(MolmixError, match="no NLI split 'test'"):
        nli_pairs(5, 0, "test")
