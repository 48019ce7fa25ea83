"""Locants changed by one: "4-hydroxy" becomes "3-hydroxy", "at position 4" becomes "at position 5"."""

import re
from collections.abc import Iterator

from molmix.analysis.judge_validation.document import Statement
from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, Replacement, replace_each
from molmix.judges.structure import Structure

# Locants of a name ("3,4-dihydroxy"), not of a suffix ("butan-2-ol" is "butan-3-ol" too), and positions.
_LISTS = re.compile(
    r"(?<![\w.,'>-])(?<!->)(\d{1,2}'*(?:,\d{1,2}'*)*)(?=-(?:di|tri|tetra)?[a-z(\[])"
    r"|\bpositions? ((?:\d{1,2}'*(?:, and |, | and )?)+)"
)
# Names whose mirror images, if they have one, map position i to c - i with an even c (a phenyl ring: 8), or that have
# none. Then a position and its neighbour are never the same.
_SAFE = re.compile(
    r"phenyl|benzo(?:ic|ate)|benzyl|benzamid|benzaldehyd|cinnam|anilin|noic acid|noate|noyl-CoA|flavon|flavan|coumarin"
    r"|chromen|indol(?!iz)|quinolin|pyridin(?!e-3,4)|pyrimidin|steroid|cholest|pregn|androst|ergost|lanost|olean|ursan"
    r"|lupan|glucos|galactos|mannos|alanine|tyrosine|tryptophan|lysine|leucine"
)
# Names with an odd c, or with several mirror images: 4- and 5-methylbenzene-1,2-diol are the same.
_SYMMETRIC = re.compile(
    r"benzene|catechol|dio(?:ic|ate|yl)|succin|tartar|adip|furan|thiophen|pyrrol|imidazol|pyrazol|triazol|tetrazol"
    r"|pyrazin|piperazin|pyridazin|quinoxalin|phthal|diox|naphth|anthra|phenanthr|phenazin|biphenyl|carbazol|fluoren"
    r"|xanth|acridin|stilben|quinone|cyclo|oxolan|thiolan|urea|guanid|glycer|inositol|(?:meth|eth|prop|but|pent|hex)ane",
    re.I,
)


def find(one: Statement, structure: Structure | None) -> Iterator[Replacement]:
    """Each locant with its neighbours that are not in the same list."""
    if not _SAFE.search(one.item) or _SYMMETRIC.search(one.item):
        return
    for match in _LISTS.finditer(one.item):
        group = 1 if match[1] else 2
        numbers = list(re.finditer(r"\d+", match[group]))
        taken = {int(number[0]) for number in numbers}
        for number in numbers:
            start = match.start(group)
            for other in {int(number[0]) - 1, int(number[0]) + 1} - taken - {0}:
                yield Replacement(start + number.start(), start + number.end(), str(other))


EDIT = Edit("locant", HARMFUL, replace_each(find), position=16)
