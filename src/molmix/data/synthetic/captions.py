"""Captions in the manner of L+M-24 from facts, and facts back from captions."""

import re
from collections.abc import Iterable, Sequence
from itertools import product
from random import Random

from molmix.data.synthetic.phrases import COUNT_VERBS, DENIALS, forms, meanings
from molmix.data.synthetic.vocabulary import Fact

SUBJECTS = ("The molecule", "It")
_PARALLEL = len(COUNT_VERBS)  # how many forms are parallel within each kind of fact
_MOST_FACTS = 10  # stated in one caption
_LONGEST_LIST = 5

# The longest verb first, so that "has a role as" is not read as "has"
_VERBS = sorted([*DENIALS, *DENIALS.values()], key=len, reverse=True)
_SENTENCE = re.compile(rf"(?:{'|'.join(SUBJECTS).lower()}) ({'|'.join(_VERBS)}) (.+)")
_SEPARATOR = re.compile(r",? and |, ")


def caption(facts: Sequence[str], rng: Random) -> tuple[str, list[str]]:
    """A caption that states some of a molecule's facts, and the facts it states (in the order stated).

    Args:
        facts: canonical facts, not empty and consistent with each other.
        rng: the draw of facts and phrasing.
    """
    # Mostly long captions, in the facts' own order: a model can learn what comes next from the molecule.
    number = min(len(facts), round(rng.triangular(1, _MOST_FACTS, _MOST_FACTS)))
    kept = sorted(rng.sample(range(len(facts)), number))
    return tell([facts[place] for place in kept], rng)


def tell(facts: Iterable[str], rng: Random) -> tuple[str, list[str]]:
    """A caption that states all of the facts, kind by kind, and the facts in the order stated."""
    listed = [Fact.read(fact) for fact in facts]
    lists: list[list[Fact]] = []
    for kind, holds in product(("count", "category", "role"), (True, False)):
        alike = [fact for fact in listed if (fact.kind, fact.holds) == (kind, holds)]
        length = rng.randint(2, _LONGEST_LIST)
        lists += [alike[start : start + length] for start in range(0, len(alike), length)]
    sentences: list[str] = []
    for items in lists:
        subject = rng.choice(SUBJECTS) if sentences else SUBJECTS[0]
        sentences.append(f"{subject} {_predicate(items, rng)}.")
    return " ".join(sentences), [str(fact) for items in lists for fact in items]


def parse(text: str) -> list[str]:
    """The facts that a text states, true or not, each once and in order.

    The inverse of :func:`caption` and :func:`atoms`. What is not said exactly in their words is passed over,
    so any text can be read, and garbage states nothing.
    """
    stated: dict[str, None] = {}
    for sentence in re.split(r"[.!?;]", text.lower()):
        match = _SENTENCE.fullmatch(" ".join(sentence.split()))
        if match:
            said = (meanings().get((match[1], item)) for item in _SEPARATOR.split(match[2]))
            stated.update((fact, None) for fact in said if fact)
    return list(stated)


def atoms(fact: str) -> list[str]:
    """Every stand-alone sentence that states one fact (or absence, or denial), in a fixed order."""
    return [f"{SUBJECTS[0]} {verb} {item}." for verb, item in forms(Fact.read(fact))]


def atom(fact: str, rng: Random | None = None) -> str:
    """One stand-alone sentence for a fact: the plainest, or one drawn with ``rng``."""
    return rng.choice(atoms(fact)) if rng else atoms(fact)[0]


def _predicate(items: Sequence[Fact], rng: Random) -> str:
    """One verb and the list of what is said with it; items are of one kind, all said or all denied."""
    phrasing = rng.randrange(_PARALLEL)
    verb = forms(items[0])[phrasing][0]
    said = [forms(item)[phrasing][1] for item in items]
    if len(said) > 2:
        said = [", ".join(said[:-1]) + rng.choice(("", ",")), said[-1]]
    return f"{verb} {' and '.join(said)}"
