"""Decomposition by rules: templates taken apart, everything else left whole, nothing lost, never an error."""

import subprocess
import sys
import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmix.data.synthetic.captions import caption, parse
from molmix.judges.decompose.backends.rules import decompose

# caption -> atoms, without "The molecule" before and the full stop after each
EXAMPLES = {
    # the manner of L+M-24
    "The molecule is a dye, tanning agent, fuel additive that impacts scurvy, gout, and rickets.": [
        "is a dye",
        "is a tanning agent",
        "is a fuel additive",
        "impacts scurvy",
        "impacts gout",
        "impacts rickets",
    ],
    "The molecule is a dye and solvent, and it impacts gout.": ["is a dye", "is a solvent", "impacts gout"],
    "The molecule is a dye, a solvent, and a wax, it impacts gout and is smooth.": [
        "is a dye",
        "is a solvent",
        "is a wax",
        "impacts gout",
        "is smooth",
    ],
    "The molecule is a dye belonging to the scurvy treatment class, known to affect gout and impact rickets.": [
        "is a dye",
        "belongs to the scurvy treatment class",
        "affects gout",
        "impacts rickets",
    ],
    "The molecule is a dye that affects gout by impacting scurvy and rickets.": [
        "is a dye",
        "affects gout",
        "impacts scurvy",
        "impacts rickets",
    ],
    "It has an effect on gout, and impacts scurvy and also rickets.": [
        "has an effect on gout",
        "impacts scurvy",
        "impacts rickets",
    ],
    "The molecule is both a dye and a wax, which impacts both gout and scurvy, and is characterized as smooth.": [
        "is a dye",
        "is a wax",
        "impacts gout",
        "impacts scurvy",
        "is characterized as smooth",
    ],
    "It belongs to the anti gout and scurvy treatment classes of molecules.": [
        "belongs to the anti gout class of molecules",
        "belongs to the scurvy treatment class of molecules",
    ],
    "The molecule has both a sour and earthy taste and a faint odor.": [
        "has a sour and earthy taste",
        "has a faint odor",
    ],
    # the manner of ChEBI
    "The molecule is a steroid that is estrane in which the hydrogen at C-4 is replaced by chlorine, bromine and "
    "iodine atoms. It has a role as a mouse metabolite and an EC 9.9.9.9 (made-up, invented ligase) inhibitor. It is a "
    "1-acyl-sn-glycero-3-phosphocholine 38:4, a (17E)-pregna-4,17-dien-21-oate and a N,N-dimethyl 2,3-dihydroxy amide. "
    "It derives from an estrane. It is a conjugate base of a steroidic acid and a steroidic diacid.": [
        "is a steroid",
        "is estrane in which the hydrogen at C-4 is replaced by chlorine, bromine and iodine atoms",
        "has a role as a mouse metabolite",
        "has a role as an EC 9.9.9.9 (made-up, invented ligase) inhibitor",
        "is a 1-acyl-sn-glycero-3-phosphocholine 38:4",
        "is a (17E)-pregna-4,17-dien-21-oate",
        "is a N,N-dimethyl 2,3-dihydroxy amide",
        "derives from an estrane",
        "is a conjugate base of a steroidic acid",
        "is a conjugate base of a steroidic diacid",
    ],
    "The molecule is an anion; major species at pH 7.3. It has been isolated from Fungus sp. and E. coli strains.": [
        "is an anion",
        "is the major species at pH 7.3",
        "has been isolated from Fungus sp",
        "has been isolated from E. coli strains",
    ],
    "The molecule is a lignan isolated from the roots of Planta imaginaria and has been shown to exhibit antifungal "
    "and cytotoxic activity.": [
        "is a lignan isolated from the roots of Planta imaginaria",
        "has been shown to exhibit antifungal and cytotoxic activity",
    ],
    "The molecule is a lignan isolated from a plant that is rare and has thorns.": [
        "is a lignan isolated from a plant that is rare and has thorns"
    ],
    "The molecule is an anion. Major species at pH 7.3 It has a role as a metabolite. One of 4 isomers.": [
        "is an anion",
        "is the major species at pH 7.3",
        "has a role as a metabolite",
        "is one of 4 isomers",
    ],
    "It is used to treat gout, scurvy and other ills. It is used as a fuel for rockets and small engines.": [
        "is used to treat gout, scurvy and other ills",
        "is used as a fuel for rockets and small engines",
    ],
    "It is used as a dye and a gum. A solvent that binds, and bends, wool. It contains metals, such as tin and zinc.": [
        "is used as a dye",
        "is used as a gum",
        "is a solvent that binds, and bends, wool",
        "contains metals, such as tin and zinc",
    ],
    "Isolated from the leaves of Planta imaginaria, it exhibits weak activity. A red dye. Used for colouring wool.": [
        "is isolated from the leaves of Planta imaginaria",
        "exhibits weak activity",
        "is a red dye",
        "is used for colouring wool",
    ],
    "It carries ethyl and propyl groups at positions 2 and 5 respectively.": [
        "carries ethyl and propyl groups at positions 2 and 5 respectively"
    ],
    # prose
    "This compound is an inhibitor of renin, trypsin and papain. Its colour is red and blue.": [
        "is an inhibitor of renin",
        "is an inhibitor of trypsin",
        "is an inhibitor of papain",
        "'s colour is red and blue",
    ],
    "It is a potent and selective agonist. It is a pale, oily liquid. It contains hydroxy and amino groups.": [
        "is a potent and selective agonist",
        "is a pale, oily liquid",
        "contains hydroxy and amino groups",
    ],
    "It impacts diabetes type 1 and 2.": ["impacts diabetes type 1 and 2"],
    "it is not a dye and does not contain any rings": ["is not a dye", "does not contain any rings"],
    "It contains a ring that is aromatic and has 2.5 charges.": [
        "contains a ring that is aromatic and has 2.5 charges"
    ],
}


# What an item would say more without: (caption, atoms), written out as a caption may be.
WHOLE = [
    "The molecule has no hydrogen bond donors and acceptors.",
    "The molecule is free of rings and halogens.",
    "The molecule is not soluble in water and ethanol.",
    "The molecule is insoluble in water, ethanol and ether.",
    "The molecule is without rings and halogens.",
    "The molecule has fewer than three rings and halogens.",
    "The molecule contains at most two rings and halogens.",
    "The molecule contains only carbon and hydrogen.",
    "The molecule shows no effect on a human and a mouse.",
    "The molecule has no role as a dye and as a fuel.",
    "The molecule is no longer a dye and a wax.",
    "The molecule is not a dye that impacts gout and scurvy.",
    "The molecule is no dye that is a wax.",
    "The molecule is not known to impact gout and scurvy.",
    "The molecule contains sodium and chloride in the ratio 1:2.",
    "The molecule is a mixture of (E)- and (Z)-dimethomorph.",
    "The molecule is moderately toxic to birds and honey bees.",
    "The molecule has zero rings and halogens.",
    "The molecule has 0 rings and halogens.",
    "The molecule has nil toxicity and solubility.",
    "The molecule contains insufficient iron and zinc.",
    "The molecule has negligible toxicity and solubility.",
    "The molecule has a low toxicity and solubility.",
    "The molecule has under two rings and halogens.",
    "The molecule is unlikely to be a dye and a wax.",
    "The molecule is said to be a dye and a wax.",
    "The molecule is unable to be a dye and a wax.",
    "The molecule is anything but a dye and a wax.",
    "The molecule is almost a dye and a wax.",
    "The molecule is possibly a dye and a wax.",
    "The molecule is a possible dye and wax.",
    "The molecule is similar to a dye and a wax.",
    "The molecule is a dye and not a wax.",
    "The molecule is a dye, not a wax and a fuel.",
    "The molecule is a dye, unlike waxes and fuels.",
    "The molecule is a dye and isn't a wax.",
    "The molecule is a dye and possibly a wax.",
    "The molecule is unlikely to be a dye that is a wax.",
    # what separates no items: structures, adjectives, appositions, words that belong to all items
    "The molecule is urea that has two hydrogens replaced by methyl groups.",
    "The molecule is urea which is substituted by methyl groups.",
    "The molecule is the isomer with a bond at the 1 and 2 positions.",
    "The molecule has a bond at the 1 and 2 positions.",
    "The molecule consists of AMP and CMP linked by a bond.",
    "The molecule is a red, odourless, oily liquid.",
    "The molecule is a synthetic, oily wax.",
    "The molecule is a washing and cleaning agent.",
    "The molecule is an ABC1 and ABC2 blocker.",
    "The molecule has fungicidal and herbicidal activity.",
    "The molecule is a dye for wool and silk.",
    "The molecule is a dye in paints like lacquer and varnish.",
    "The molecule is an inhibitor of growth in mice and other animals.",
    "The molecule is an inhibitor of both renin and trypsin.",
    "The molecule is a dye, similar to madder, marketed as a red.",
    "The molecule is a salt, being the disodium form of a diacid.",
    "The molecule is a prodrug for renin, a protein.",
    "The molecule is isolated from the roots of madder, a plant native to Planta.",
    "The molecule is produced by the reaction of an acid and a base.",
    "The molecule is an important product in wool and in silk.",
]


@pytest.mark.parametrize("text", WHOLE)
def test_no_atom_says_more_than_its_caption(text: str) -> None:
    assert decompose([text]) == [[text]]


# What is in a caption beside statements, and statements that run together.
CLEANED = {
    "It has no rings and a halogen.": ["has no rings", "has a halogen"],
    "It has a ring and at most two halogens.": ["has a ring", "has at most two halogens"],
    "It has 10 rings and 2.0 charges.": ["has 10 rings", "has 2.0 charges"],
    "It is a possible dye and a wax.": ["is a possible dye", "is a wax"],
    "It is a PC 18:0 and a wax.": ["is a PC 18:0", "is a wax"],
    "It is not a dye and a wax, but is a gum.": ["is not a dye", "is not a wax", "is a gum"],
    "1. It is a dye. 2. It is a wax.": ["is a dye", "is a wax"],
    "(1) It is a dye. (b) It is a wax.": ["is a dye", "is a wax"],
    "- It is a dye\n- It is a wax": ["is a dye", "is a wax"],
    "It is at position 1. It is a wax.": ["is at position 1", "is a wax"],
    "It is a dye &amp; its logP is R&lt;S; it is a wax.": ["is a dye & its logP is R<S", "is a wax"],
    "It is a dye.It is a wax at position 3.It is a gum.": ["is a dye", "is a wax at position 3", "is a gum"],
    "It is a dye (one of many. It is a wax (or a gum).": ["is a dye (one of many", "is a wax (or a gum)"],
    "It is a dye (one of many. It is a wax) and a gum.": ["is a dye (one of many", "is a wax)", "is a gum"],
    "It is a dye, a substituted aniline and a wax.": ["is a dye", "is a substituted aniline", "is a wax"],
    "It is an (E)- and (Z)-stilbene, a dye and a wax.": ["is an (E)- and (Z)-stilbene", "is a dye", "is a wax"],
    "It emits toxic vapors of lead and zinc.": ["emits toxic vapors of lead", "emits toxic vapors of zinc"],
    "It is a dye. It is a conjugate base of a": ["is a dye", "is a conjugate base"],
    "It is a dye that impacts gout. It is a wax, a gum and a": ["is a dye", "impacts gout", "is a wax", "is a gum"],
    "It is a dye. It is": ["is a dye"],
    "It is a heme a.": ["is a heme a"],
    # "respectively" is about the structure, not about the class
    "It is a dye that is urea substituted by ethyl and propyl groups at positions 1 and 3 respectively.": [
        "is a dye",
        "is urea substituted by ethyl and propyl groups at positions 1 and 3 respectively",
    ],
    "It is functionally related to a dye and a wax.": [
        "is functionally related to a dye",
        "is functionally related to a wax",
    ],
    "It is a natural product found in Planta rubra, Planta alba, and other organisms with data available.": [
        "is a natural product found in Planta rubra",
        "is a natural product found in Planta alba",
        "is a natural product found in other organisms with data available",
    ],
    "It is a dye, with effects on gout and impacts on both scurvy and rickets.": [
        "is a dye",
        "has an effect on gout",
        "impacts scurvy",
        "impacts rickets",
    ],
    "It is a blocker of renin and induces sleep.": ["is a blocker of renin", "induces sleep"],
    "It is a rare, bitter wax and dye, excreted in urine.": ["is a rare, bitter wax", "is a dye, excreted in urine"],
    "Insoluble in water. Heavier than air. May irritate skin. Used (as its salt) for dyeing.": [
        "is insoluble in water",
        "is heavier than air",
        "may irritate skin",
        "is used (as its salt) for dyeing",
    ],
    "It is a dye. (NTP, 1992) It is a wax. (L12, L345)": ["is a dye", "is a wax"],
    "It is a dye; the (2R)-isomer.": ["is a dye", "is the (2R)-isomer"],
}


@pytest.mark.parametrize("text", CLEANED)
def test_what_is_no_statement_makes_no_atom(text: str) -> None:
    assert decompose([text]) == [[f"The molecule {atom}." for atom in CLEANED[text]]]


# Of whom the sentences speak, atoms in full.
SUBJECTS = {
    "The molecule is a salt of lead. Lead is a soft metal. It melts and is found in ores. Its colour is grey.": [
        "The molecule is a salt of lead.",
        "Lead is a soft metal.",
        "Lead melts and is found in ores.",
        "Lead's colour is grey.",
    ],
    "Lead is a soft metal. It has a role as a toxin. It is used as a pigment and a filler.": [
        "Lead is a soft metal.",
        "The molecule has a role as a toxin.",
        "The molecule is used as a pigment.",
        "The molecule is used as a filler.",
    ],
    "It is a dye. It is known that dyes fade. It means that light harms it.": [
        "The molecule is a dye.",
        "It is known that dyes fade.",
        "It means that light harms it.",
    ],
    "It has no rings. The same is true of halogens. It is neither a dye nor a wax. Nor is it a gum.": [
        "The molecule has no rings.",
        "The molecule has no rings. The same is true of halogens.",
        "The molecule is not a dye.",
        "The molecule is not a wax.",
        "The molecule is not a gum.",
    ],
    "Two uses of it are known. The first is as a dye; the second is as a wax. In addition, it is a gum.": [
        "Two uses of it are known.",
        "Two uses of it are known. The first is as a dye.",
        "Two uses of it are known. The second is as a wax.",
        "The molecule is a gum.",
    ],
    "Dyes and gums were sought. Neither of these is present. It is a wax. Besides that, it impacts gout.": [
        "Dyes and gums were sought.",
        "Dyes and gums were sought. Neither of these is present.",
        "The molecule is a wax.",
        "The molecule impacts gout.",
    ],
    "It has three forms: 1) a wax; 2) a gum. It binds renin; and lipids.": [
        "The molecule has three forms: 1) a wax; 2) a gum.",
        "The molecule binds renin; and lipids.",
    ],
}


@pytest.mark.parametrize("text", SUBJECTS)
def test_it_is_the_subject_of_the_sentence_before(text: str) -> None:
    assert decompose([text]) == [SUBJECTS[text]]


def test_classes_without_end_end() -> None:
    text = "It belongs to " + "the " * 3000 + "dye" + " classes" * 3000
    assert len(decompose([text])[0]) == 1


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text: str) -> None:
    expected = [f"The molecule{'' if atom.startswith(chr(39)) else ' '}{atom}." for atom in EXAMPLES[text]]
    assert decompose([text]) == [expected]


def test_a_lead_stays_with_every_atom() -> None:
    (atoms,) = decompose(["When heated to decomposition it emits toxic fumes of xenon and argon."])
    lead = "When heated to decomposition the molecule emits toxic fumes of"
    assert atoms == [f"{lead} xenon.", f"{lead} argon."]


def test_what_is_not_understood_stays_whole() -> None:
    texts = [
        "The parent acid is a dye, a wax and a prodrug.",
        "Benzene.",
        "Il s'agit d'un colorant et d'un solvant.",
        "分子是一种染料.",
    ]
    assert decompose(texts) == [[text] for text in texts]


def test_repeats_go_and_order_stays() -> None:
    assert decompose(["It is a dye. It is a wax. The molecule is a dye and a wax."]) == [
        ["The molecule is a dye.", "The molecule is a wax."]
    ]


@pytest.mark.parametrize("text", ["", " \n\t ", "...", "\x00\x07", "- ; , !"])
def test_a_caption_that_says_nothing_has_no_atoms(text: str) -> None:
    assert decompose([text]) == [[]]


def test_every_fact_of_a_world_caption_becomes_one_atom() -> None:
    rng = Random(5)
    facts = [
        "hydroxyl group=2",
        "ring=1",
        "ester group=0",
        "charge=negative",
        "size=large",
        "role=dye",
        "role!=solvent",
    ]
    for _ in range(50):
        text, stated = caption(facts, rng)
        assert sorted(parse(atom) for atom in decompose([text])[0]) == sorted([fact] for fact in stated)


WORDS = [
    "It",
    "The molecule",
    "is a",
    "and",
    ",",
    ".",
    "(",
    "]",
    "that impacts",
    "in which",
    "both",
    "a",
    "of",
    "2",
    "e.g.",
    ";",
]


@settings(max_examples=300)
@given(st.text() | st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=40).map(" ".join))
def test_any_text_makes_atoms_that_are_sentences(text: str) -> None:
    (atoms,) = decompose([text])
    assert len(set(atoms)) == len(atoms)
    for atom in atoms:
        assert atom.endswith(".") and any(map(str.isalnum, atom)) and atom == " ".join(atom.split())
        atom.encode()  # no half characters
    assert atoms or not any(map(str.isalnum, text.encode(errors="ignore").decode()))


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*WORDS, "dye", "wax", "gout"]), max_size=30))
def test_no_word_is_lost(words: list[str]) -> None:
    (atoms,) = decompose([" ".join(words)])
    for word in {"dye", "wax", "gout"} & set(words):
        assert any(word in atom for atom in atoms)


@pytest.mark.parametrize(
    "text",
    [
        "word " * 10_000,
        "It is a " + "dye, wax and gum, " * 10_000,
        "It is a dye that impacts gout. " * 10_000,
        "(" * 10_000 + "[{" * 10_000 + ")" * 10_000,
        "(" * 50_000 + "a" + ")" * 50_000,
        "It is " * 10_000,
        "It is a dye" + " isolated from a plant and is a wax" * 10_000,
        "It is a dye" + " isolated from a plant and" * 10_000,
        "a. " * 10_000,
        "<script>alert('It is a dye, a wax and a gum.')</script>" * 1_000,
        "In " + "x" * 100_000 + " it is a dye",
    ],
)
def test_long_garbage_takes_linear_time(text: str) -> None:
    start = time.process_time()
    decompose([text])
    assert time.process_time() - start < 2


def test_importing_it_is_cheap() -> None:
    heavy = {"torch", "transformers", "pandas", "pyarrow", "openai", "nltk"}
    code = f"import sys, molmix.judges.decompose; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
