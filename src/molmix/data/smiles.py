"""SMILES: the canonical form that molecules are joined by."""

from __future__ import annotations


def normal(molecule: str, domain: str) -> str | None:
    """What molecules are joined by: canonical SMILES (None where RDKit cannot read it), or the text itself."""
    return " ".join(molecule.split()) if domain == "text" else canonical(molecule)


def canonical(smiles: str) -> str | None:
    """RDKit's canonical SMILES; None where RDKit cannot read it."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    molecule = Chem.MolFromSmiles(smiles.strip())
    return Chem.MolToSmiles(molecule) if molecule is not None and molecule.GetNumAtoms() else None
