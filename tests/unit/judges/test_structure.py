"""Statements against the structure of a molecule: what is true, what is false, and what is not decided."""

import pytest

from molmix.judges.structure import decide, structure_of

ASPIRIN = "CC(=O)OC1=CC=CC=C1C(=O)O"
CAFFEINE = "CN1C=NC2=C1C(=O)N(C(=O)N2C)C"
PALMITATE = "CCCCCCCCCCCCCCCC(=O)[O-]"
OLEIC_ACID = "CCCCCCCC/C=C\\CCCCCCCC(=O)O"
L_ALANINE, D_ALANINE = "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"
HEAVY_WATER = "[2H]O[2H]"
CHLOROPHENOL = "OC1=CC=C(Cl)C=C1"
STEROID = "C[C@]12CC[C@H]3[C@H]([C@@H]1CC[C@@H]2O)CCC4=CC(=O)CC[C@]34C"  # testosterone

TRUE = [
    (ASPIRIN, "The molecule is not a dicarboxylic acid."),
    (PALMITATE, "The molecule is a long-chain fatty acid anion."),
    (PALMITATE, "The molecule is a saturated fatty acid anion."),
    (PALMITATE, "The molecule is a conjugate base of a hexadecanoic acid."),
    (OLEIC_ACID, "The molecule is a conjugate acid of an oleate(1-)."),
    (OLEIC_ACID, "The molecule is a C18 monounsaturated fatty acid."),
    (ASPIRIN, "The molecule is a monocarboxylic acid."),
    (ASPIRIN, "The molecule is a member of benzoic acids."),
    (ASPIRIN, "The molecule is an acetate ester."),
    (ASPIRIN, "The molecule is salicylic acid in which the hydroxy hydrogen is replaced by an acetyl group."),
    (CAFFEINE, "The molecule is an organic heterobicyclic compound."),
    (CAFFEINE, "The molecule is a purine alkaloid with formula C8H10N4O2."),
    (CHLOROPHENOL, "The molecule is a member of monochlorobenzenes."),
    (CHLOROPHENOL, "The molecule is an organochlorine compound."),
    (CHLOROPHENOL, "The molecule is a member of the class of phenols."),
    (STEROID, "The molecule is a secondary alcohol."),
    (STEROID, "The molecule is a cyclic ketone."),
    (L_ALANINE, "The molecule is an L-alpha-amino acid."),
    (L_ALANINE, "The molecule is alanine having S-configuration."),
    (HEAVY_WATER, "The molecule is a deuterated compound."),
    ("[Na+].[Cl-]", "The molecule is a sodium salt."),
    ("O=c1ccoc2ccccc12", "The molecule is an enone."),  # the ketone of a chromone is in an aromatic ring for RDKit
    ("[116Sn]", "The molecule is the stable isotope of tin with relative atomic mass 115.901743."),
]
FALSE = [
    (ASPIRIN, "The molecule is not a monocarboxylic acid.", "once"),
    (PALMITATE, "The molecule is a conjugate acid of a hexadecanoate (1-) (some form).", "its conjugate -1"),
    (PALMITATE, "The molecule is an organic cation.", "the charge is -1"),
    (PALMITATE, "The molecule is a medium-chain fatty acid anion.", "16 carbons"),
    (PALMITATE, "The molecule is an unsaturated fatty acid anion.", "0 double bonds"),
    (PALMITATE, "The molecule is a conjugate acid of a hexadecanoic acid.", "its conjugate +0"),
    (ASPIRIN, "The molecule is a dicarboxylic acid.", "once"),
    (
        ASPIRIN,
        "The molecule is salicylic acid in which the hydroxy hydrogen is replaced by a nitro group.",
        "0 × nitro",
    ),
    (CAFFEINE, "The molecule is an organic heterotricyclic compound.", "2 rings"),
    (CAFFEINE, "The molecule is a purine alkaloid with formula C8H10N4O3.", "C8H10N4O2"),
    (CHLOROPHENOL, "The molecule is a dichlorobenzene.", "1 Cl"),
    (CHLOROPHENOL, "The molecule is an organobromine compound.", "0 Br"),
    (STEROID, "The molecule is a tertiary alcohol.", "0 of 1"),
    (D_ALANINE, "The molecule is an L-alpha-amino acid.", "D-alanine"),
    (D_ALANINE, "The molecule is alanine having S-configuration.", "R"),
    ("O", "The molecule is a deuterated compound.", "none"),
]
UNDECIDED = [
    (ASPIRIN, "The molecule is not a monocarboxylic acid that derives from a salicylic acid."),
    (PALMITATE, "The molecule is a conjugate base of a palmitic acid in some form."),
    (ASPIRIN, "The molecule has a role as a non-narcotic analgesic."),
    (ASPIRIN, "The molecule derives from a tertiary alcohol."),
    (ASPIRIN, "The molecule is a drug."),
    (ASPIRIN, "The molecule is a primary alcohol dehydrogenase inhibitor."),
    (ASPIRIN, "The molecule is a tautomer of a primary alcohol."),
    (ASPIRIN, "The molecule contains an alcohol(1+)."),
    (ASPIRIN, "Aspirin is sold as a salt."),
    (CAFFEINE, "The molecule is alanine having S-configuration."),  # there is no stereo centre to compare with
]


@pytest.mark.parametrize(("smiles", "statement"), TRUE)
def test_true_statements(smiles, statement):
    decision = decide(statement, structure_of(smiles))
    assert decision and decision.true, decision


@pytest.mark.parametrize(("smiles", "statement", "reason"), FALSE)
def test_false_statements_say_what_was_found(smiles, statement, reason):
    decision = decide(statement, structure_of(smiles))
    assert decision and not decision.true and reason in decision.reason, decision


@pytest.mark.parametrize(("smiles", "statement"), UNDECIDED)
def test_other_statements_are_not_decided(smiles, statement):
    assert decide(statement, structure_of(smiles)) is None


def test_a_statement_with_a_false_part_is_false():
    decision = decide("The molecule is a saturated long-chain fatty acid.", structure_of(OLEIC_ACID))
    assert decision and not decision.true and "double bond" in decision.reason


def test_what_is_no_molecule():
    assert structure_of("not a molecule") is structure_of(None) is structure_of("") is None
