"""What follows from what: the one place where the labels of the embedded world come from.

Every fact bounds a whole number ("how many hydroxyl groups" or, as 0 or 1, "is the charge negative", "is it a dye"), so
a set of facts is a box of intervals. The few laws that tie numbers together narrow the box: a benzene ring is an
aromatic ring and so a ring, and exactly one class of each category is true. Nothing else is known here: no chemistry
(a hydroxyl group says nothing about donors) and no role rules (roles neither follow from a text nor exclude another).
"""

import math
from collections.abc import Iterable

from molmix.world.vocabulary import CATEGORIES, COUNTS, KINDS_OF, ROLES, SOME, Fact

ENTAILMENT, NEUTRAL, CONTRADICTION = LABELS = ("entailment", "neutral", "contradiction")

Limits = tuple[float, float]  # at least, at most
Box = dict[str, Limits]
_FREE: Limits = (0.0, math.inf)


def relation(premise: Iterable[str], hypothesis: Iterable[str]) -> str:
    """Label of a hypothesis that states all of its facts, given a premise that states all of its own.

    ``contradiction`` if both cannot be true, ``entailment`` if the premise makes every stated fact true, ``neutral``
    otherwise. A hypothesis that states nothing (broken text) is neutral. A premise that contradicts itself contradicts
    all that is said about the same thing (that group, that category, or rings of any sort), and only that.
    """
    stated = [_bounds(Fact.read(fact)) for fact in hypothesis]
    if not stated:
        return NEUTRAL
    given = [_bounds(Fact.read(fact)) for fact in premise]
    about, both = _settle(stated), _settle(given + stated)
    if any(both[number][0] > both[number][1] for number in about):
        return CONTRADICTION
    known = _settle(given)
    if all(_within(known.get(number, _FREE), limits) for number, limits in stated):
        return ENTAILMENT
    return NEUTRAL


def close(truth: Iterable[str]) -> list[str]:
    """All that is true of a molecule, absences said, from the complete list of what it has.

    A group or role missing from a text is unknown; missing from the *complete* truth, it is absent. So
    ``relation(close(truth), [fact])`` is entailment for a true fact and contradiction for a false one, never neutral.
    """
    facts = list(truth)
    counted = {Fact.read(fact).attribute for fact in facts}
    absent = [str(Fact(attribute, "0")) for attribute in COUNTS if attribute not in counted]
    unused = [str(Fact("role", role, False)) for role in ROLES if str(Fact("role", role)) not in facts]
    return facts + absent + unused


def _bounds(fact: Fact) -> tuple[str, Limits]:
    """The number that a fact is about, and its limits."""
    if fact.kind != "count":
        truth = float(fact.holds)
        return f"{fact.attribute}={fact.value}", (truth, truth)
    if fact.value == SOME:
        return fact.attribute, (1.0, math.inf)
    return fact.attribute, (float(fact.value), float(fact.value))


_CLASSES = {attribute: [f"{attribute}={value}" for value in values] for attribute, values in CATEGORIES.items()}
# The numbers that laws tie together: (total, its parts, is the total exactly their sum?), a total after its parts.
_FAMILIES = [
    [(total, list(parts), False) for total, parts in KINDS_OF.items()],
    *([(attribute, parts, True)] for attribute, parts in _CLASSES.items()),
]
_FAMILY_OF = {
    number: index for index, laws in enumerate(_FAMILIES) for total, parts, _ in laws for number in (total, *parts)
}


def _settle(bounds: list[tuple[str, Limits]]) -> Box:
    """The box that all bounds leave, narrowed by the laws; an interval that ends before it starts is impossible."""
    box: Box = {}
    for number, limits in bounds:
        box[number] = _cut(box.get(number, _FREE), limits)
    for index in {_FAMILY_OF[number] for number in box if number in _FAMILY_OF}:
        laws = _FAMILIES[index]
        for total, parts, exact in laws * len(laws):  # what is learnt at the top reaches the bottom in as many rounds
            _apply(box, total, parts, exact)
    return box


def _apply(box: Box, total: str, parts: list[str], exact: bool) -> None:
    """Narrow a total and its parts by each other, in place."""
    limits = (1.0, 1.0) if total in _CLASSES else box.get(total, _FREE)
    inside = [box.get(part, _FREE) for part in parts]
    least = sum(low for low, _ in inside)
    box[total] = low, high = _cut(limits, (least, sum(high for _, high in inside) if exact else math.inf))
    for position, part in enumerate(parts):
        others = [limit for index, limit in enumerate(inside) if index != position]
        rest = sum(most for _, most in others) if exact else math.inf
        box[part] = _cut(inside[position], (low - rest, high - sum(fewest for fewest, _ in others)))


def _within(inner: Limits, outer: Limits) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _cut(one: Limits, other: Limits) -> Limits:
    return max(one[0], other[0]), min(one[1], other[1])
