"""2D drawings of molecules as small SVG: black on a transparent background, which the page inverts in dark mode."""

from __future__ import annotations

import re
from typing import Any

from rdkit.Chem.Draw import rdMolDraw2D

from molmix.data.smiles import parse_smiles

BOND = 26.0  # pixels
# RDKit's layout takes cubic time: up to 0.3 s for 200 atoms, 11 s for 1,000, and 100,000 crash it. A model that repeats
# itself can write such molecules, so large ones are not drawn.
MOST_ATOMS = 200
MOST_CHARACTERS = 20 * MOST_ATOMS  # even reading a SMILES is slow, or fails, if it is very long
# Colours by atomic number (-1: other elements), readable on white and, inverted, on black. RDKit's sulphur is not.
PALETTE = {
    -1: (0.0, 0.0, 0.0),
    7: (0.1, 0.25, 0.75),
    8: (0.75, 0.1, 0.1),
    9: (0.05, 0.4, 0.15),
    15: (0.55, 0.3, 0.0),
    16: (0.42, 0.34, 0.0),
    17: (0.05, 0.4, 0.15),
    35: (0.5, 0.2, 0.05),
    53: (0.4, 0.05, 0.5),
}
# Parts of RDKit's SVG that a browser does not need.
_NEEDLESS = re.compile(
    r"<\?xml[^>]*>\s*|<!--.*?-->\s*|\s+(?:version|baseProfile|xmlns:\w+|xml:space|class)='[^']*'"
    r"|fill-rule:evenodd;|stroke-linecap:butt;|stroke-linejoin:miter;|stroke-opacity:1;?|fill-opacity:1;?"
)


def draw_molecule(smiles: str | None) -> str:
    """A molecule as SVG (``<svg …``), or the reason why there is no drawing, as a sentence for the page."""
    if not smiles:
        return "There is no molecule."
    if len(smiles) > MOST_CHARACTERS:
        return f"The SMILES has {len(smiles):,} characters; at most {MOST_CHARACTERS:,} are drawn."
    molecule = parse_smiles(smiles)
    if molecule is None:
        return "RDKit cannot read it."
    if molecule.GetNumAtoms() > MOST_ATOMS:
        return f"It has {molecule.GetNumAtoms():,} atoms; at most {MOST_ATOMS} are drawn."
    canvas = rdMolDraw2D.MolDraw2DSVG(-1, -1)  # as large as the molecule needs
    options: Any = canvas.drawOptions()  # the stubs lack its settings
    options.clearBackground = False
    options.fixedBondLength = options.scalingFactor = BOND
    options.bondLineWidth = 1.4
    options.setAtomPalette(PALETTE)
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
    canvas.FinishDrawing()
    return _NEEDLESS.sub("", canvas.GetDrawingText()).strip()
