"""Properties of molecules, from a file in the format that L+M-24 publishes."""

from __future__ import annotations

import ast
import gzip
from collections.abc import Collection
from pathlib import Path

from molmix.core.errors import fault
from molmix.data.smiles import canonical


def read_properties(path: Path, molecules: Collection[str]) -> dict[str, frozenset[str]]:
    """Look up molecules in a file of properties. Each line is a SMILES, a tab and a Python set of names.

    Args:
        path: the file, gzipped if its name ends in ``.gz``.
        molecules: canonical SMILES.

    Returns:
        The properties of each molecule that the file has; several lines of one molecule are joined. The file's SMILES
        are canonicalised only if one of the molecules is not in the file literally (this takes about 2 minutes for
        L+M-24's training split).

    Raises:
        MolmixError: the file is missing, or the line of one of the molecules has another format.
    """
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, EOFError, ValueError) as error:
        raise fault(path, f"cannot be read ({error})", "change the path, or fetch the file again") from None
    lines = [line.partition("\t")[::2] for line in text.removesuffix("\n").split("\n")]
    wanted = set(molecules)
    if not wanted <= {smiles for smiles, _ in lines}:
        lines = [(canonical(smiles) or smiles, names) for smiles, names in lines]
    found: dict[str, frozenset[str]] = {}
    for number, (smiles, names) in enumerate(lines, start=1):
        if smiles in wanted:
            found[smiles] = found.get(smiles, frozenset()) | _names(names.strip(), f"{path}, line {number}")
    return found


def _names(text: str, where: str) -> set[str]:
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        names = None
    if not isinstance(names, set) or not all(isinstance(name, str) for name in names):
        hint = "write SMILES, a tab and a Python set of names, such as {'acid', 'toxic'}"
        raise fault(where, f"{text[:40]!r} is not a Python set of names", hint)
    return names
