"""The complete true facts of a molecule, computed from its structure with RDKit."""

from collections import defaultdict
from functools import cache

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from molmix.core.errors import fault
from molmix.data.smiles import parse_smiles
from molmix.data.synthetic.vocabulary import CATEGORIES, COUNTS, MOST_ROLES, PATTERNS, ROLES, Fact

SIZE_LIMITS = (11, 17)  # heavy atoms of the largest small and the largest medium molecule
POLARITY_LIMITS = (30.0, 65.0)  # topological polar surface (Å²) where moderately polar and polar start


def facts(smiles: str) -> list[str]:
    """All facts that are true of a molecule, as canonical strings in the order of the vocabulary.

    Absences are not listed; :func:`molmix.data.synthetic.logic.close` adds them.
    """
    molecule = parse_smiles(smiles)
    if molecule is None:
        raise fault("SMILES", f"RDKit cannot read {smiles!r}", "give a valid SMILES string")
    found = _counts(molecule)
    classes = _classes(molecule)
    structure = defaultdict(int, found | {f"{attribute}={value}": 1 for attribute, value in classes.items()})
    roles = [role for role, rule in ROLES.items() if rule(structure)][:MOST_ROLES]
    listed = [Fact(attribute, str(found[attribute])) for attribute in COUNTS if found[attribute]]
    listed += [Fact(attribute, value) for attribute, value in classes.items()]
    return [str(fact) for fact in listed + [Fact("role", role) for role in roles]]


@cache
def _patterns() -> dict[str, Chem.Mol]:
    return {name: Chem.MolFromSmarts(smarts) for name, smarts in PATTERNS.items()}


def _counts(molecule: Chem.Mol) -> dict[str, int]:
    """The number of occurrences of each count attribute."""
    found = {name: len(molecule.GetSubstructMatches(pattern)) for name, pattern in _patterns().items()}
    found["ring"] = rdMolDescriptors.CalcNumRings(molecule)
    found["aromatic ring"] = rdMolDescriptors.CalcNumAromaticRings(molecule)
    found["donor"] = rdMolDescriptors.CalcNumHBD(molecule)
    found["acceptor"] = rdMolDescriptors.CalcNumHBA(molecule)
    return found


def _classes(molecule: Chem.Mol) -> dict[str, str]:
    """The class of a molecule in each category."""
    charge = Chem.GetFormalCharge(molecule)
    atoms = molecule.GetNumHeavyAtoms()
    surface = rdMolDescriptors.CalcTPSA(molecule)
    position = {
        "charge": 1 + (charge > 0) - (charge < 0),
        "size": sum(atoms > limit for limit in SIZE_LIMITS),
        "polarity": sum(surface >= limit for limit in POLARITY_LIMITS),
    }
    return {attribute: values[position[attribute]] for attribute, values in CATEGORIES.items()}
