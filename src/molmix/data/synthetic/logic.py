"""Entailment and contradiction between facts. This module computes every label of the embedded world.

Every fact bounds a whole number ("how many hydroxyl groups" or, as 0 or 1, "is the charge negative", "is it a
dye"). So a set of facts is a box of intervals. A few laws between numbers narrow the box: a benzene ring is an
aromatic ring and therefore a ring, and exactly one class of each category is true. There are no other rules: no
chemistry (a hydroxyl group says nothing about donors) and no rules for roles (no text entails a role, and roles
do not exclude each other).
"""

from collections.abc import Iterable
from functools import cache, lru_cache

from molmix.data.synthetic.vocabulary import CATEGORIES, COUNTS, KINDS_OF, ROLES, SOME, Fact

ENTAILMENT, NEUTRAL, CONTRADICTION = LABELS = ("entailment", "neutral", "contradiction")

Limits = tuple[int, int]  # at least, at most
Box = dict[str, Limits]  # number -> its limits
_MANY = 1_000_000  # stands for no upper limit


def relation(premise: Iterable[str], hypothesis: Iterable[str]) -> str:
    """Label of a hypothesis (its facts), given a premise (its facts).

    ``contradiction`` if both cannot be true, ``entailment`` if the premise makes every fact of the hypothesis true,
    ``neutral`` otherwise. A hypothesis without facts (broken text) is neutral. A premise that contradicts itself
    contradicts every statement about the same topic (a group, a category, or rings of any sort), and no other.
    """
    stated = [_bounds(fact) for fact in hypothesis]
    topics = {_topic(number) for number, _ in stated}
    given = [bounds for bounds in map(_bounds, premise) if _topic(bounds[0]) in topics]
    if any(low > high for low, high in _narrow(given + stated).values()):
        return CONTRADICTION
    known = _narrow(given)
    if stated and all(_within(known.get(number, _free(number)), limits) for number, limits in stated):
        return ENTAILMENT
    return NEUTRAL


def close(truth: Iterable[str]) -> list[str]:
    """All true facts of a molecule, absences included, from the complete list of what it has.

    A group or role that a text does not mention is unknown; one that the *complete* truth lacks is absent. So
    ``relation(close(truth), [fact])`` is entailment for a true fact and contradiction for a false one, never
    neutral.
    """
    facts = list(truth)
    counted = {Fact.read(fact).attribute for fact in facts}
    absent = [str(Fact(attribute, "0")) for attribute in COUNTS if attribute not in counted]
    unused = [str(Fact("role", role, False)) for role in ROLES if str(Fact("role", role)) not in facts]
    return facts + absent + unused


@cache
def _bounds(text: str) -> tuple[str, Limits]:
    """The number that a fact is about, and its limits."""
    fact = Fact.read(text)
    if fact.kind != "count":
        return f"{fact.attribute}={fact.value}", (int(fact.holds), int(fact.holds))
    if fact.value == SOME:
        return fact.attribute, (1, _MANY)
    return fact.attribute, (int(fact.value), int(fact.value))


_CLASSES = {name: tuple(f"{name}={value}" for value in values) for name, values in CATEGORIES.items()}
# By topic, the laws between its numbers: (total, parts, is the total exactly their sum?). Parts of parts come first.
_LAWS = {"ring": [(total, parts, False) for total, parts in KINDS_OF.items()]}
_LAWS |= {name: [(name, parts, True)] for name, parts in _CLASSES.items()}
_TOPIC = {number: topic for topic, laws in _LAWS.items() for law in laws for number in (law[0], *law[1])}


def _topic(number: str) -> str:
    """Topic of a number. Numbers that a law relates share a topic; any other number is its own topic."""
    return _TOPIC.get(number, number)


def _free(number: str) -> Limits:
    """The limits of a number about which nothing is known."""
    if number in _CLASSES:
        return (1, 1)  # the classes of a category that are true
    return (0, 1) if "=" in number else (0, _MANY)


def _narrow(bounds: Iterable[tuple[str, Limits]]) -> Box:
    """The intersection of all bounds, narrowed by the laws. If low is above high, the bounds contradict each other."""
    by_topic: dict[str, set[tuple[str, Limits]]] = {}
    for bound in bounds:
        by_topic.setdefault(_topic(bound[0]), set()).add(bound)
    box: Box = {}
    for topic, stated in by_topic.items():
        box |= _narrow_topic(topic, frozenset(stated))
    return box


@lru_cache(maxsize=50_000)  # a cross matrix compares the same few facts many times
def _narrow_topic(topic: str, bounds: frozenset[tuple[str, Limits]]) -> Box:
    """The box of the numbers of one topic."""
    box: Box = {}
    for number, limits in bounds:
        box[number] = _cut(box.get(number, _free(number)), limits)
    laws = _LAWS.get(topic, [])
    for law in laws * len(laws):  # enough rounds for every limit to affect every other number
        _apply(box, *law)
    return box


def _apply(box: Box, total: str, parts: tuple[str, ...], exact: bool) -> None:
    """Narrow a total and its parts by each other, in place."""
    inside = [box.get(part) or _free(part) for part in parts]
    least = sum(low for low, _ in inside)
    most = sum(high for _, high in inside) if exact else _MANY
    low, high = box[total] = _cut(box.get(total) or _free(total), (least, most))
    for part, own in zip(parts, inside, strict=True):
        # The rest that the other parts leave for this one. If not exact, unnamed parts can fill the total.
        box[part] = _cut(own, (low - (most - own[1]) if exact else 0, high - (least - own[0])))


def _within(inner: Limits, outer: Limits) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _cut(one: Limits, other: Limits) -> Limits:
    return max(one[0], other[0]), min(one[1], other[1])
