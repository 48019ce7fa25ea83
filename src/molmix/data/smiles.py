"""Parse and canonicalise SMILES, make the key that joins molecules, and find leakage between sets.

All code that compares molecules uses this file, so that all parts agree on which molecules are the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit import Chem

LONGEST = 5000  # characters; on much longer chains RDKit's recursion crashes the process
# Levels at which two molecules are equal, from the narrowest to the widest: the same canonical SMILES; the same without
# stereochemistry; the same parent (without salts, charges, isotopes and stereochemistry, as one tautomer).
LEVELS = ("exact", "stereo", "parent")
_ORGANIC = "H B C N O F Si P S Cl As Se Br Te I At".split()  # noqa: SIM905 - elements that RDKit does not disconnect as a metal


def parse_smiles(text: str) -> Chem.Mol | None:
    """Read a SMILES string with RDKit.

    RDKit itself reads the text after a blank as the name of the molecule ("I cannot help." is iodine), and stops at a
    NUL. Here such texts are not SMILES.

    Returns:
        None if the text is not a SMILES, has no atom, or has more than `LONGEST` characters.
    """
    from rdkit import Chem, rdBase

    smiles = text.strip()
    if len(smiles) > LONGEST or not smiles.isascii() or not smiles.isprintable() or " " in smiles:
        return None
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


@lru_cache(maxsize=2**20)  # one job asks for the same molecules several times
def canonical(smiles: str) -> str | None:
    """RDKit's canonical SMILES, without atom maps; None if :func:`parse_smiles` finds no molecule.

    For some molecules, the canonical SMILES of the canonical SMILES is another one. So it is computed again until it
    does not change (in a cycle, the alphabetically first is taken): ``canonical(canonical(x)) == canonical(x)``.
    """
    from rdkit import Chem

    forms: list[str] = []
    text = smiles
    while (molecule := parse_smiles(text)) is not None:
        for atom in molecule.GetAtoms() if ":" in text else ():
            atom.SetAtomMapNum(0)
        text = Chem.MolToSmiles(molecule)
        if text in forms:
            return min(forms[forms.index(text) :])
        forms.append(text)
    return None


def join_key(molecule: str, domain: str) -> str:
    """The key for joining rows of different sources.

    Args:
        molecule: a SMILES, or any text under ``domain: text``.
        domain: `molecules` or `text`.

    Returns:
        The canonical SMILES. If there is none (``unparsable: keep``, or ``domain: text``), the text with single
        blanks.
    """
    return (canonical(molecule) if domain == "molecules" else None) or " ".join(molecule.split())


class HeldOut:
    """Molecules that training must not use. :meth:`find` says at which level another molecule equals one of them.

    A parent takes about 20 ms to compute. So parents are compared only for molecules with the same skeleton, which
    takes less than 1 ms and is the same for every form of a molecule. For molecules that RDKit cannot read, and under
    ``domain: text``, only equal texts are found.
    """

    def __init__(self, domain: str) -> None:
        """Start without molecules."""
        self.domain = domain
        self._names: dict[str, str] = {}
        self._by_skeleton: dict[str, list[str]] = defaultdict(list)

    def add(self, molecules: Iterable[str], name: str) -> None:
        """Hold out molecules.

        Args:
            molecules: keys from :func:`join_key`.
            name: of the set that contains them. If several sets contain one molecule, the last name is kept.
        """
        for molecule in dict.fromkeys(molecules):
            known = molecule in self._names
            self._names[molecule] = name
            if self.domain == "molecules" and not known and (skeleton := _skeleton(molecule)):
                self._by_skeleton[skeleton].append(molecule)

    def find(self, molecule: str) -> tuple[str, str] | None:
        """The narrowest of `LEVELS` at which a molecule equals a held-out one, and the name of that one's set."""
        if molecule in self._names:
            return "exact", self._names[molecule]
        candidates = self._by_skeleton.get(_skeleton(molecule), []) if self.domain == "molecules" else []
        for level, key in (("stereo", _flat), ("parent", _parent)):
            for candidate in candidates:
                if key(candidate) == key(molecule):
                    return level, self._names[candidate]
        return None


def _mol(canonical_smiles: str) -> Chem.Mol:
    molecule = parse_smiles(canonical_smiles)
    assert molecule is not None
    return molecule


@lru_cache(maxsize=2**20)
def _skeleton(smiles: str) -> str:
    """A key that all tautomers and protonation states share: the parent's element graph, and hydrogens minus charge.

    Empty if the text is not a SMILES.
    """
    from rdkit import Chem
    from rdkit.Chem import rdMolHash
    from rdkit.Chem.MolStandardize import rdMolStandardize

    molecule = parse_smiles(smiles)
    if molecule is None:
        return ""
    Chem.RemoveStereochemistry(molecule)
    if re.search(r"\[\d", smiles):
        molecule = Chem.RemoveHs(rdMolStandardize.IsotopeParent(molecule, skipStandardize=True))
    if "." in smiles or any(atom.GetSymbol() not in _ORGANIC for atom in molecule.GetAtoms()):
        molecule = _quietly(rdMolStandardize.FragmentParent, molecule)
    hydrogens = sum(atom.GetTotalNumHs() for atom in molecule.GetAtoms()) - Chem.GetFormalCharge(molecule)
    return f"{rdMolHash.MolHash(molecule, rdMolHash.HashFunction.ElementGraph)} {hydrogens}"


@lru_cache(maxsize=2**16)
def _flat(smiles: str) -> str:
    """Canonical SMILES without stereochemistry."""
    from rdkit import Chem

    molecule = _mol(smiles)
    Chem.RemoveStereochemistry(molecule)
    return canonical(Chem.MolToSmiles(molecule)) or smiles


@lru_cache(maxsize=2**16)
def _parent(smiles: str) -> str:
    """Canonical SMILES of RDKit's super parent: the fragment, isotope, charge, tautomer and stereo parent."""
    from rdkit import Chem
    from rdkit.Chem.MolStandardize import rdMolStandardize

    molecule = _mol(smiles)
    Chem.RemoveStereochemistry(molecule)
    return canonical(Chem.MolToSmiles(_quietly(rdMolStandardize.SuperParent, molecule))) or smiles


def _quietly(standardize, molecule: Chem.Mol) -> Chem.Mol:  # type: ignore[no-untyped-def]
    """A standardised molecule; the molecule itself if RDKit's standardizer fails on it."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        try:
            return standardize(molecule)
        except (RuntimeError, ValueError):  # such as MolSanitizeException
            return molecule
