"""2D drawings of molecules as small SVG, black on nothing: the page turns them light where it is dark."""

from __future__ import annotations

import re
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem.Draw import rdMolDraw2D

BOND = 26.0  # pixels
# Of elements, dark enough to be read on white and, turned light, on black (RDKit's own sulphur is not). -1: any other.
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
# What RDKit writes and a browser takes for granted, or nobody sees.
_NEEDLESS = re.compile(
    r"<\?xml[^>]*>\s*|<!--.*?-->\s*|\s+(?:version|baseProfile|xmlns:\w+|xml:space|class)='[^']*'"
    r"|fill-rule:evenodd;|stroke-linecap:butt;|stroke-linejoin:miter;|stroke-opacity:1;?|fill-opacity:1;?"
)


def draw(smiles: str | None) -> str | None:
    """A molecule as SVG; None where there is none or RDKit cannot read it."""
    if not smiles:
        return None
    with rdBase.BlockLogs():  # an answer that is no molecule is a result here, not news
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        return None
    canvas = rdMolDraw2D.MolDraw2DSVG(-1, -1)  # as large as the molecule needs
    options: Any = canvas.drawOptions()  # whose stubs do not know its settings
    options.clearBackground = False
    options.fixedBondLength = options.scalingFactor = BOND
    options.bondLineWidth = 1.4
    options.setAtomPalette(PALETTE)
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
    canvas.FinishDrawing()
    return _NEEDLESS.sub("", canvas.GetDrawingText()).strip()
