"""The facts of the embedded world: a closed, typed list of statements about a molecule.

There are three kinds of fact, which differ in their attribute:

* **count**: the number of a group, ring, atom or hydrogen-bond site (``hydroxyl group=2``). The value is a number,
  or ``some`` for "at least one"; ``hydroxyl group=0`` states the absence of a group.
* **category**: the molecule's class among a few exclusive ones (``charge=negative``).
* **role**: the use of the molecule (``role=dye``); a molecule may have several.

Categories and roles can be denied (``charge!=neutral``, ``role!=dye``). The roles are invented: they follow from
the structure by the fixed rules below, so that they are known exactly. They say nothing about real use.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from molmix.core.errors import fault

SOME = "some"
COUNT_LIMIT = 99  # the largest count
COUNT_VALUES = (*map(str, range(COUNT_LIMIT + 1)), SOME)

# Each pattern matches one atom per occurrence (the rest is recursive SMARTS), so the number of matches is the count.
_CARBON = "[#6;!$(C=[O,N,S])]"  # a carbon that is not a carbonyl
GROUPS = {
    "hydroxyl group": f"[OX2H;$(O{_CARBON})]",
    "amino group": f"[NX3H2;+0;$(N{_CARBON})]",
    "carboxylic acid group": "[CX3;$(C(=O)[OX2H])]",
    "carboxylate group": "[CX3;$(C(=O)[O-])]",
    "ammonium group": "[NX4+]",
    "ester group": f"[CX3;$(C(=O)([#6])[OX2H0]{_CARBON})]",
    "amide group": "[CX3;$(C(=O)([#6])[NX3])]",
    "ether group": f"[OX2H0;$(O({_CARBON}){_CARBON})]",
    "ketone group": "[CX3;$(C(=O)([#6])[#6])]",
    "aldehyde group": "[CX3H1;$(C(=O)[#6])]",
    "nitro group": "[NX3+;$(N(=O)[O-])]",
    "nitrile group": "[CX2;$(C#N)]",
    "thiol group": "[SX2H]",
    "sulfonamide group": "[SX4;$(S(=O)(=O)[NX3])]",
    "sulfonate group": "[SX4;$(S(=O)(=O)[O-])]",
    "fluorine atom": "[FX1]",
    "chlorine atom": "[ClX1]",
    "bromine atom": "[BrX1]",
    "long alkyl chain": "[CH3;$(C[CH2][CH2][CH2][CH2][CH2])]",  # an end with at least five CH2 after it
}
# Each pattern matches one whole ring, fused or not.
AROMATIC_RINGS = {
    "benzene ring": "c1ccccc1",
    "pyridine ring": "n1ccccc1",
    "furan ring": "o1cccc1",
    "thiophene ring": "s1cccc1",
    "pyrrole ring": "n1cccc1",
    "imidazole ring": "n1cncc1",
}
OTHER_RINGS = {
    "cyclohexane ring": "C1-C-C-C-C-C-1",
    "piperidine ring": "N1-C-C-C-C-C-1",
    "morpholine ring": "O1-C-C-N-C-C-1",
}
PATTERNS = GROUPS | AROMATIC_RINGS | OTHER_RINGS
COUNTS = (*GROUPS, "ring", "aromatic ring", *AROMATIC_RINGS, *OTHER_RINGS, "donor", "acceptor")

# The kinds of each counted thing: every benzene ring is an aromatic ring, and therefore a ring.
KINDS_OF = {
    "aromatic ring": tuple(AROMATIC_RINGS),
    "ring": ("aromatic ring", *OTHER_RINGS),
}

CATEGORIES = {
    "charge": ("negative", "neutral", "positive"),  # the net formal charge
    "size": ("small", "medium", "large"),  # heavy atoms: up to 11, up to 17, more
    "polarity": ("nonpolar", "moderately polar", "polar"),  # polar surface (Å²): below 30, below 65, more
}

# Input of the rules: occurrences by count attribute, 1 or 0 by "attribute=value" of a category.
Structure = Mapping[str, int]
MOST_ROLES = 3  # a molecule has the first three roles, in this order, whose rule holds
ROLES: dict[str, Callable[[Structure], object]] = {
    "surfactant": lambda n: (
        n["long alkyl chain"] and (n["carboxylate group"] or n["sulfonate group"] or n["ammonium group"])
    ),
    "dye": lambda n: (
        n["aromatic ring"]
        and (n["ketone group"] >= 2 or (n["nitro group"] and (n["amino group"] or n["hydroxyl group"])))
    ),
    "antibiotic": lambda n: n["aromatic ring"] and n["sulfonamide group"],
    "antiseptic": lambda n: n["benzene ring"] and n["hydroxyl group"] and (n["chlorine atom"] or n["bromine atom"]),
    "herbicide": lambda n: n["aromatic ring"] and n["fluorine atom"] + n["chlorine atom"] + n["bromine atom"] >= 2,
    "buffer": lambda n: (
        (n["carboxylic acid group"] or n["carboxylate group"]) and (n["amino group"] or n["ammonium group"])
    ),
    "ligand": lambda n: (
        n["thiol group"] or ((n["pyridine ring"] or n["imidazole ring"]) and (n["amino group"] or n["hydroxyl group"]))
    ),
    "antioxidant": lambda n: n["aromatic ring"] and n["hydroxyl group"],
    "analgesic": lambda n: n["aromatic ring"] and n["amide group"],
    "plasticizer": lambda n: n["ester group"] >= 2 or (n["ester group"] and n["long alkyl chain"]),
    "preservative": lambda n: n["benzene ring"] and (n["carboxylic acid group"] or n["carboxylate group"]),
    "humectant": lambda n: n["hydroxyl group"] >= 2 and not n["aromatic ring"],
    "lubricant": lambda n: n["charge=neutral"] and n["long alkyl chain"],
    "fragrance": lambda n: (
        n["charge=neutral"] and not n["polarity=polar"] and (n["aldehyde group"] or n["ester group"])
    ),
    "solvent": lambda n: (
        n["charge=neutral"]
        and n["size=small"]
        and not n["donor"]
        and (n["ether group"] or n["ketone group"] or n["ester group"] or n["nitrile group"])
    ),
}


@dataclass(frozen=True, order=True)
class Fact:
    """One statement about a molecule. ``str(fact)`` is its canonical form, which :meth:`read` parses."""

    attribute: str
    value: str
    holds: bool = True

    def __str__(self) -> str:
        """``attribute=value``, or ``attribute!=value`` if denied."""
        return f"{self.attribute}{'=' if self.holds else '!='}{self.value}"

    @property
    def kind(self) -> str:
        """``count``, ``category`` or ``role``."""
        if self.attribute == "role":
            return "role"
        return "category" if self.attribute in CATEGORIES else "count"

    def denied(self) -> "Fact":
        """A fact that contradicts this one: the absence of the counted thing, or the denial."""
        if self.kind == "count":
            return Fact(self.attribute, SOME if self.value == "0" else "0")
        return Fact(self.attribute, self.value, not self.holds)

    @staticmethod
    @cache
    def read(text: str) -> "Fact":
        """The fact of a canonical string."""
        match = re.fullmatch(r"([^=!]+)(!?=)(.+)", text)
        fact = Fact(match[1], match[3], match[2] == "=") if match else None
        if fact is None or not _is_known(fact):
            hint = "write it as attribute=value, with the words of molmix.data.synthetic.vocabulary"
            raise fault("fact", f"{text!r} is not a fact of the embedded world", hint)
        return fact


def _is_known(fact: Fact) -> bool:
    if fact.attribute in COUNTS:
        return fact.holds and fact.value in COUNT_VALUES
    return fact.value in (ROLES if fact.attribute == "role" else CATEGORIES.get(fact.attribute, ()))
