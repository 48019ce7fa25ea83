"""2D drawings of molecules as small SVG, black on nothing: the page turns them light where it is dark."""

from __future__ import annotations

import re
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem.Draw import rdMolDraw2D

BOND = 26.0  # pixels
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
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
    canvas.FinishDrawing()
    return _NEEDLESS.sub("", canvas.GetDrawingText()).strip()
