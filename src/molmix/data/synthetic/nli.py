"""Labelled premise-hypothesis pairs for training the small NLI model that judges atoms in the embedded world.

Facts are drawn from the vocabulary, not from molecules, so that any two counts can be compared, as in captions of weak
models. The label of every pair, of any kind, is :func:`molmix.data.synthetic.logic.relation` of the facts that its two
texts state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from zlib import crc32

import pandas as pd

from molmix.core.errors import fault
from molmix.data.synthetic.captions import atom, parse, state_facts
from molmix.data.synthetic.logic import relation
from molmix.data.synthetic.vocabulary import AROMATIC_RINGS, CATEGORIES, COUNTS, OTHER_RINGS, ROLES, SOME, Fact

SPLITS = ("train", "heldout")
HELDOUT_SHARE = 5  # one of so many text pairs belongs to the held-out split
_MOST_FACTS = 8  # that one caption states
_USUAL_COUNTS = (1, 1, 1, 2, 2, 3, 4)
_RINGS = ("ring", "aromatic ring", *AROMATIC_RINGS, *OTHER_RINGS)
_TOPICS = (*COUNTS, *CATEGORIES, *["role"] * 6)  # a fact is drawn by topic; there are many roles


@dataclass(frozen=True)
class Text:
    """A text and the facts that it states."""

    text: str
    facts: Sequence[str]


Pair = tuple[Text, Text]  # premise, hypothesis


def nli_pairs(n: int, seed: int, split: str) -> pd.DataFrame:
    """``n`` labelled pairs, with columns ``premise``, ``hypothesis``, ``label``, ``kind`` (of :data:`KINDS`).

    A hash of its two texts decides the split of a pair. So no pair of ``train`` is in ``heldout``, in either order, for
    any sizes and seeds. Within a split, common pairs can repeat.
    """
    if split not in SPLITS:
        raise fault("split", f"there is no NLI split {split!r}", f"choose one of {', '.join(SPLITS)}")
    rng = Random(f"nli {split} {seed}")
    makers = list(KINDS.items())
    weights = [weight for _, (weight, _) in makers]
    rows: list[tuple[str, str, str, str]] = []
    while len(rows) < n:
        ((kind, (_, make)),) = rng.choices(makers, weights)
        premise, hypothesis = make(rng)
        if split_of(premise.text, hypothesis.text) == split:
            label = relation(premise.facts, hypothesis.facts)
            rows.append((premise.text, hypothesis.text, label, kind))
    return pd.DataFrame(rows, columns=["premise", "hypothesis", "label", "kind"])


def split_of(premise: str, hypothesis: str) -> str:
    """The split that a pair of texts belongs to, in either order."""
    digest = crc32("\n".join(sorted((premise, hypothesis))).encode())
    return "heldout" if digest % HELDOUT_SHARE == 0 else "train"


# --- drawing facts and texts


def _value(attribute: str, rng: Random) -> str:
    """A value of an attribute. Counts are mostly small, as in molecules, but every number word occurs."""
    if attribute in CATEGORIES:
        return rng.choice(CATEGORIES[attribute])
    if attribute == "role":
        return rng.choice(list(ROLES))
    return str(rng.choice(_USUAL_COUNTS) if rng.random() < 0.75 else rng.randint(1, 13))


def _fact(rng: Random, topics: Sequence[str] = _TOPICS) -> Fact:
    topic = rng.choice(topics)
    return Fact(topic, _value(topic, rng))


def _facts(number: int, rng: Random) -> list[str]:
    """Distinct facts that can all be true; no two have the same topic, except roles."""
    while True:
        drawn: dict[str, str] = {}
        while len(drawn) < number:
            fact = _fact(rng)
            drawn.setdefault(str(fact) if fact.kind == "role" else fact.attribute, str(fact))
        facts = list(drawn.values())
        if relation(facts, facts) == "entailment":
            return facts


def _other(fact: Fact, rng: Random) -> Fact:
    """The same attribute with another value. Half of the counts change by one or two, half are drawn anew."""
    while True:
        value = _value(fact.attribute, rng)
        if fact.kind == "count" and rng.random() < 0.5:
            value = str(abs(int(fact.value) + rng.choice((-2, -1, 1, 2))))
        if value != fact.value:
            return Fact(fact.attribute, value)


def _said(fact: Fact, rng: Random) -> Text:
    return Text(atom(str(fact), rng), [str(fact)])


def _told(facts: Sequence[str], rng: Random) -> Text:
    return Text(*state_facts(facts, rng))


def _flip(pair: Pair, rng: Random) -> Pair:
    """The pair in either order."""
    return pair if rng.random() < 0.5 else (pair[1], pair[0])


# --- the kinds of pair


def _same(rng: Random) -> Pair:
    fact = _fact(rng)
    return _said(fact, rng), _said(fact, rng)


def _existence(rng: Random) -> Pair:
    """A count entails ``some``; ``some`` entails no count."""
    fact = _fact(rng, COUNTS)
    return _flip((_said(fact, rng), _said(Fact(fact.attribute, SOME), rng)), rng)


def _value_against_value(rng: Random) -> Pair:
    """Two values of an attribute exclude each other, except roles: a molecule may have several."""
    fact = _fact(rng)
    return _said(fact, rng), _said(_other(fact, rng), rng)


def _denial(rng: Random) -> Pair:
    fact = _fact(rng)
    if fact.kind == "count" and rng.random() < 0.3:
        fact = Fact(fact.attribute, SOME)
    return _flip((_said(fact, rng), _said(fact.denied(), rng)), rng)


def _denial_of_other(rng: Random) -> Pair:
    """A negative charge entails that the molecule is not neutral; a dye may be a ligand or not."""
    fact = _fact(rng, (*CATEGORIES, "role"))
    return _flip((_said(fact, rng), _said(_other(fact, rng).denied(), rng)), rng)


def _unrelated(rng: Random) -> Pair:
    """Two atoms of different topics, the most common cell of a cross matrix; some are absences or denials."""
    one, other = (Fact.read(fact) for fact in _facts(2, rng))
    if rng.random() < 0.15:
        other = other.denied()
    return _flip((_said(one, rng), _said(other, rng)), rng)


def _rings(rng: Random) -> Pair:
    """Two rings, one of which may be a kind of the other. Some are absent or not counted."""
    one, other = (_fact(rng, _RINGS) for _ in range(2))
    if rng.random() < 0.4:
        other = Fact(other.attribute, rng.choice(("0", SOME)))
    return _flip((_said(one, rng), _said(other, rng)), rng)


def _caption_states(rng: Random) -> Pair:
    facts = _facts(rng.randint(1, _MOST_FACTS), rng)
    return _told(facts, rng), _said(_weakened(rng.choice(facts), rng), rng)


def _caption_excludes(rng: Random) -> Pair:
    facts = _facts(rng.randint(1, _MOST_FACTS), rng)
    fact = Fact.read(rng.choice(facts))
    exclusive = fact.kind != "role" and rng.random() < 0.75
    return _told(facts, rng), _said(_other(fact, rng) if exclusive else fact.denied(), rng)


def _caption_leaves_open(rng: Random) -> Pair:
    facts = _facts(rng.randint(2, _MOST_FACTS), rng)
    return _told(facts[1:], rng), _said(Fact.read(facts[0]), rng)


def _atom_for_caption(rng: Random) -> Pair:
    """One fact, and a caption that states it (alone or with others) or states another value of it."""
    facts = _facts(rng.randint(1, 4), rng)
    fact = Fact.read(facts[0])
    return _said(_other(fact, rng) if rng.random() < 0.4 else fact, rng), _told(facts, rng)


def _caption_for_caption(rng: Random) -> Pair:
    """A caption, and a part of it: unchanged, with one more fact, or with one changed fact."""
    facts = _facts(rng.randint(3, _MOST_FACTS), rng)
    part = rng.sample(facts[1:], rng.randint(1, len(facts) - 1))
    change = rng.randrange(3)
    if change == 0:
        part[0] = str(_other(Fact.read(part[0]), rng))
    if change == 1:
        return _told(facts[1:], rng), _told([*part, facts[0]], rng)
    return _told(facts, rng), _told(part, rng)


def _broken(rng: Random) -> Pair:
    """A corrupted atom, mostly as the hypothesis, and a text about the same fact or about others."""
    facts = _facts(rng.randint(1, 4), rng)
    whole = _said(Fact.read(facts[0]), rng) if rng.random() < 0.6 else _told(facts, rng)
    broken = Text(corrupt(atom(rng.choice(facts), rng), rng), [])
    return (whole, broken) if rng.random() < 0.7 else (broken, whole)


def _weakened(fact: str, rng: Random) -> Fact:
    """The fact itself; for a count, sometimes ``some`` instead of the number."""
    read = Fact.read(fact)
    return Fact(read.attribute, SOME) if read.kind == "count" and rng.random() < 0.25 else read


def corrupt(text: str, rng: Random) -> str:
    """A sentence that states no fact, broken as by a weak model: truncated, or with words repeated, lost or cut."""
    while True:
        words = text.rstrip(".").split()
        index = rng.randrange(len(words))
        damage = rng.randrange(4)
        if damage == 0:
            words = words[: max(index, 1)]
        elif damage == 1:
            words[index:index] = [words[index]] * rng.randint(1, 4)
        elif damage == 2:
            del words[index]
        else:
            words[index] = words[index][: rng.randint(1, len(words[index]))]
        corrupted = " ".join(words) + "."
        if not parse(corrupted):
            return corrupted


# Weight and function of each kind. Unrelated atoms have the largest weight: they are most of a cross matrix.
KINDS: dict[str, tuple[int, Callable[[Random], Pair]]] = {
    "same": (16, _same),
    "existence": (7, _existence),
    "value": (14, _value_against_value),
    "denial": (6, _denial),
    "denial of other": (4, _denial_of_other),
    "unrelated": (22, _unrelated),
    "rings": (5, _rings),
    "caption states": (8, _caption_states),
    "caption excludes": (5, _caption_excludes),
    "caption leaves open": (8, _caption_leaves_open),
    "atom for caption": (1, _atom_for_caption),
    "caption for caption": (2, _caption_for_caption),
    "broken": (3, _broken),
}
