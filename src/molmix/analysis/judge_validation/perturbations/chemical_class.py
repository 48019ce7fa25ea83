"""Classes replaced by classes that the molecule is not in."""

import re
from collections.abc import Iterator

from molmix.analysis.judge_validation.document import Statement
from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, Replacement, exchanged, replace_each
from molmix.judges.structure import Structure, decide

# Classes that the structure decides.
DECIDED = (
    "primary alcohol",
    "secondary alcohol",
    "tertiary alcohol",
    "aromatic ether",
    "cyclic ketone",
    "aromatic ketone",
    "aldehyde",
    "nitrile",
    "epoxide",
    "sulfone",
    "sulfonamide",
    "primary amino compound",
    "secondary amino compound",
    "tertiary amino compound",
    "primary carboxamide",
    "monocarboxylic acid",
    "dicarboxylic acid",
    "tricarboxylic acid",
    "organochlorine compound",
    "organofluorine compound",
    "organobromine compound",
    "organoiodine compound",
    "C-nitro compound",
    "organic cation",
    "monocarboxylic acid anion",
    "dicarboxylic acid dianion",
    "organic heterobicyclic compound",
    "organic heterotricyclic compound",
    "organic heterotetracyclic compound",
    "organic heteropentacyclic compound",
    "medium-chain fatty acid",
    "long-chain fatty acid",
    "very long-chain fatty acid",
)
# Classes that exclude each other, by the size or the skeleton of their molecules.
EXCLUSIVE = (
    ("monoterpenoid", "sesquiterpenoid", "diterpenoid", "sesterterpenoid", "triterpenoid", "tetraterpenoid"),
    ("flavone", "flavanone", "isoflavone", "chalcone", "xanthone", "coumarin", "anthraquinone"),
    ("flavones", "flavanones", "isoflavones", "chalcones", "xanthones", "coumarins", "anthraquinones"),
)
_CLASS = re.compile(
    rf"(?<![\w,-])({'|'.join(sorted(DECIDED, key=len, reverse=True))})(?=$|,| (?:that|which|and|with)\b)"
)
# Before a class stand only an article and adjectives. After "of" or "by", it is the class of another substance.
_HEAD = re.compile(
    r"(?:an? |the )?(?:(?:member of )?(?:the class of )?(?!(?:of|by|in|from|with|to) )[\w,()'-]+ )*[\w,'-]*"
)
_exclusive = exchanged(EXCLUSIVE, before=r"(?:^|(?<=[ a-z]))", after=r"\b")


def find(one: Statement, structure: Structure | None) -> Iterator[Replacement]:
    """Each class, and every other one that is false of the structure, or that excludes it."""
    if one.verb != "is":
        return
    yield from (found for found in _exclusive(one, structure) if _HEAD.fullmatch(one.item[: found.start]))
    if structure is None:
        return
    for match in _CLASS.finditer(one.item):
        if not _HEAD.fullmatch(one.item[: match.start()]):
            continue
        for other in DECIDED:
            decision = decide(f"The molecule is a {other}.", structure)
            if decision and not decision.true:
                yield Replacement(*match.span(1), other)


EDIT = Edit("chemical-class", HARMFUL, replace_each(find), position=12)
