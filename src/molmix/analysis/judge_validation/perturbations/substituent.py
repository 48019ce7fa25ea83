"""Substituents and functional groups replaced by ones that the molecule does not have."""

import re
from collections.abc import Iterator

from molmix.analysis.judge_validation.document import Statement
from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, Replacement, replace_each
from molmix.judges.structure import SUBSTITUENT_ATOMS, SUBSTITUENTS, Structure, count_substituent

NAMES = ("methyl", *SUBSTITUENT_ATOMS, *(name for name in SUBSTITUENTS if name != "hydroxyl"))
# Written instead: names that can stand at the place of any other in a name, such as "4-nitrophenyl".
NEW = (
    "chloro",
    "fluoro",
    "bromo",
    "iodo",
    "nitro",
    "cyano",
    "azido",
    "hydroxy",
    "methoxy",
    "amino",
    "ethoxy",
    "nitroso",
)
# "hydroxy group", "4-hydroxyphenyl", "3,4-dihydroxyphenyl"
_NAMED = re.compile(
    rf"(?<![A-Za-z])(?:(?<=\d-)(?:di|tri|tetra)?)?({'|'.join(sorted(NAMES, key=len, reverse=True))})"
    r"(?=(?:, [a-z]+)*(?: and [a-z]+)? (?:group|substituent|moiet))"
    rf"|(?<=\d-)(?:di|tri|tetra)?({'|'.join(sorted(NAMES, key=len, reverse=True))})(?=[a-z])"
)


def find(one: Statement, structure: Structure | None) -> Iterator[Replacement]:
    """Each named substituent, and every other one that does not occur in the molecule."""
    if structure is None:
        return
    absent = [name for name in NEW if count_substituent(structure, name) == 0]
    for match in _NAMED.finditer(one.item):
        span = match.span(1) if match[1] else match.span(2)
        yield from (Replacement(*span, name) for name in absent if name != (match[1] or match[2]))


EDIT = Edit("substituent", HARMFUL, replace_each(find), position=11)
