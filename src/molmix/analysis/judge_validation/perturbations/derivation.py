"""What the molecule derives from, or is related to, replaced by what other molecules derive from."""

import re
from random import Random

from molmix.analysis.judge_validation.document import Statement
from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, Ground, edit_each

# A relation to another substance, and that substance: "derives from" "a glycine", "is" "a conjugate base of a glycine"
_RELATION = re.compile(
    r"(?:an? |the )?((?:conjugate (?:acid|base)|tautomer|enantiomer|functional parent|hydrochloride|metabolite) of)"
    r" (?:an? |the )?(.+)"
)
_ARTICLE = re.compile(r"^(?:an? |the )")


def replace_origin(ground: Ground, one: Statement, rng: Random) -> Statement | None:
    """The statement with the origin of another molecule; None if it states no origin."""
    relation, origin = _parts(one)
    if not relation:
        return None
    for other in ground.foreign(rng):
        of_other, new = _parts(other)
        # "fatty acid" and "hydroxy fatty acid" could both be true.
        if of_other == relation and new not in origin and origin not in new:
            return Statement(one.verb, other.item, one.subject)
    return None


def _parts(one: Statement) -> tuple[str, str]:
    """The relation, such as "derives from", and the substance, in lower case; empty texts if there is none."""
    if one.verb == "derives from":
        return one.verb, _ARTICLE.sub("", one.item).lower()
    match = _RELATION.fullmatch(one.item) if one.verb == "is" else None
    return (match[1], match[2].lower()) if match else ("", "")


EDIT = Edit("derivation", HARMFUL, edit_each(replace_origin), position=13)
