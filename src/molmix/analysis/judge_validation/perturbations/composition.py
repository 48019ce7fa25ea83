"""Building blocks replaced (residues of peptides and glycans, acyl groups), their order or number changed."""

import re
from collections.abc import Iterator

from molmix.analysis.judge_validation.document import Statement
from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, Replacement, exchanged, replace_each
from molmix.judges.structure import Structure

_AMINO_ACIDS = "alanine arginine asparagine cysteine glutamine glycine histidine isoleucine leucine lysine methionine"
_AMINO_ACIDS += " phenylalanine proline serine threonine tryptophan tyrosine valine"
_RESIDUES = "Ala Arg Asn Asp Cys Gln Glu Gly His Ile Leu Lys Met Phe Pro Ser Thr Trp Tyr Val".split()  # noqa: SIM905
_SUGARS = "glucose galactose mannose xylose rhamnose fucose arabinose ribose".split()  # noqa: SIM905
_ACYLS = "lauroyl myristoyl palmitoyl stearoyl oleoyl linoleoyl arachidonoyl"
_ALKANOYLS = "dodecanoyl tetradecanoyl hexadecanoyl octadecanoyl icosanoyl docosanoyl"
_GROUPS = (
    _AMINO_ACIDS.split(),
    _SUGARS,
    [f"{name[:-1]}yl" for name in _SUGARS],  # glucosyl
    [f"{name[:-2]}opyranosyl" for name in _SUGARS],  # glucopyranosyl
    _ACYLS.split(),
    _ALKANOYLS.split(),
)
_NUMBERS = (
    [f"{number}saccharide" for number in ("mono", "di", "tri", "tetra", "penta", "hexa")],
    [f"{number}peptide" for number in ("di", "tri", "tetra", "penta", "hexa", "hepta")],
)
_find_names = exchanged(_GROUPS, before=r"(?<![A-Za-z])", after=r"(?![A-Za-z])")
_find_residues = exchanged([_RESIDUES], before=r"(?:(?<=-)|(?<=^))", after=r"(?=-|$)")
_find_numbers = exchanged(_NUMBERS)
_NEIGHBOURS = re.compile(rf"\b({'|'.join(_RESIDUES)})-({'|'.join(_RESIDUES)})\b")
_FORMULA = re.compile(r"(?<=\bformula )((?:[A-Z][a-z]?\d{0,3}){2,})\b")


def find(one: Statement, structure: Structure | None) -> Iterator[Replacement]:
    """Each building block with another one that the statement does not name, neighbours exchanged, other numbers."""
    for replacement in (*_find_names(one, structure), *_find_residues(one, structure), *_find_numbers(one, structure)):
        if replacement.new not in one.item:
            yield replacement
    for match in _NEIGHBOURS.finditer(one.item):
        if match[1] != match[2]:
            yield Replacement(*match.span(), f"{match[2]}-{match[1]}")
    for match in _FORMULA.finditer(one.item):
        for number in re.finditer(r"\d+", match[1]):
            start = match.start(1)
            yield Replacement(start + number.start(), start + number.end(), str(int(number[0]) + 2))


EDIT = Edit("composition", HARMFUL, replace_each(find), position=15)
