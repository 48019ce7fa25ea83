"""The English of the embedded world: write captions in the style of L+M-24 from facts, and read facts from captions.

The grammar is regular, so that a splitter without chemistry can split a caption. A sentence is
``subject verb item, item and item.``: one verb and one list. Lists never nest, and no item contains a comma or "and".
If the verb is repeated for each item, the result is exactly the stand-alone sentences of :func:`atoms`.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from random import Random

from molmix.data.synthetic.vocabulary import CATEGORIES, COUNT_VALUES, COUNTS, ROLES, SOME, Fact

COUNT_VERBS = ("contains", "has", "bears", "carries")
ROLE_VERBS = ("is", "acts as", "has a role as", "serves as")
# The denial of each verb. All verbs of the world are here.
DENIALS = {
    "contains": "does not contain",
    "has": "does not have",
    "bears": "does not bear",
    "carries": "does not carry",
    "is": "is not",
    "acts as": "does not act as",
    "has a role as": "does not have a role as",
    "serves as": "does not serve as",
    "shows": "does not show",
}

# Numbers from thirteen on are written in digits
_NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
# The noun of a count, if it is not the attribute itself
_NOUNS = {"donor": "hydrogen bond donor", "acceptor": "hydrogen bond acceptor"}
# (adjective, noun phrase) of each class
_CLASS_WORDS = {
    "charge": {
        "negative": ("negatively charged", "a negative charge"),
        "neutral": ("neutral", "a neutral charge"),
        "positive": ("positively charged", "a positive charge"),
    },
    "size": {
        "small": ("small", "a small size"),
        "medium": ("medium sized", "a medium size"),
        "large": ("large", "a large size"),
    },
    "polarity": {
        "nonpolar": ("nonpolar", "a low polarity"),
        "moderately polar": ("moderately polar", "a moderate polarity"),
        "polar": ("polar", "a high polarity"),
    },
}
SUBJECTS = ("The molecule", "It")
_PARALLEL = len(COUNT_VERBS)  # number of parallel forms of each kind of fact
_MOST_FACTS = 10  # that one caption states
_LONGEST_LIST = 5

# The longest verb first, so that "has a role as" is not read as "has"
_VERBS = sorted([*DENIALS, *DENIALS.values()], key=len, reverse=True)
_SENTENCE = re.compile(rf"(?:{'|'.join(SUBJECTS).lower()}) ({'|'.join(_VERBS)}) (.+)")
_SEPARATOR = re.compile(r",? and |, ")


def caption(facts: Sequence[str], rng: Random) -> tuple[str, list[str]]:
    """A caption that states some of a molecule's facts, and the stated facts in their order.

    Args:
        facts: canonical facts, not empty and consistent with each other.
        rng: draws facts and phrasing.
    """
    # Mostly long captions, in the order of the facts: a model can learn the next fact from the molecule.
    number = min(len(facts), round(rng.triangular(1, _MOST_FACTS, _MOST_FACTS)))
    kept = sorted(rng.sample(range(len(facts)), number))
    return state_facts([facts[index] for index in kept], rng)


def state_facts(facts: Iterable[str], rng: Random) -> tuple[str, list[str]]:
    """A caption that states all facts, kind by kind, and the facts in their order in it."""
    listed = [Fact.read(fact) for fact in facts]
    lists: list[list[Fact]] = []
    for kind, holds in product(("count", "category", "role"), (True, False)):
        same_kind = [fact for fact in listed if (fact.kind, fact.holds) == (kind, holds)]
        length = rng.randint(2, _LONGEST_LIST)
        lists += [same_kind[start : start + length] for start in range(0, len(same_kind), length)]
    sentences: list[str] = []
    for items in lists:
        subject = rng.choice(SUBJECTS) if sentences else SUBJECTS[0]
        sentences.append(f"{subject} {_predicate(items, rng)}.")
    return " ".join(sentences), [str(fact) for items in lists for fact in items]


def parse(text: str) -> list[str]:
    """The facts that a text states, true or not, each once and in order.

    The inverse of :func:`caption` and :func:`atoms`. Sentences with any other wording are ignored. So any text can be
    read, and garbage states nothing.
    """
    stated: dict[str, None] = {}
    for sentence in re.split(r"[.!?;]", text.lower()):
        match = _SENTENCE.fullmatch(" ".join(sentence.split()))
        if match:
            said = (meanings().get((match[1], item)) for item in _SEPARATOR.split(match[2]))
            stated.update((fact, None) for fact in said if fact)
    return list(stated)


def atoms(fact: str) -> list[str]:
    """Every sentence that states one fact (or absence, or denial) and nothing else, in a fixed order."""
    return [f"{SUBJECTS[0]} {verb} {item}." for verb, item in forms(Fact.read(fact))]


def atom(fact: str, rng: Random | None = None) -> str:
    """A sentence that states one fact and nothing else: the simplest, or one drawn with ``rng``."""
    return rng.choice(atoms(fact)) if rng else atoms(fact)[0]


def _predicate(items: Sequence[Fact], rng: Random) -> str:
    """One verb and its list of items. The items are of one kind, all stated or all denied."""
    phrasing = rng.randrange(_PARALLEL)
    verb = forms(items[0])[phrasing][0]
    said = [forms(item)[phrasing][1] for item in items]
    if len(said) > 2:
        said = [", ".join(said[:-1]) + rng.choice(("", ",")), said[-1]]
    return f"{verb} {' and '.join(said)}"


# ---- phrases -----------------------------------------------------------------------------------------------------


@cache
def forms(fact: Fact) -> tuple[tuple[str, str], ...]:
    """Every (verb, item) that states a fact. The first four are parallel: form ``i`` of a kind has one verb."""
    if fact.kind == "count":
        return _count_forms(fact)
    if fact.kind == "role":
        said = tuple((verb, _with_article(fact.value)) for verb in ROLE_VERBS)
    else:
        adjective, noun = _CLASS_WORDS[fact.attribute][fact.value]
        said = (("is", adjective), ("has", noun), ("shows", noun), ("is", f"a {adjective} molecule"))
    return said if fact.holds else tuple((DENIALS[verb], item) for verb, item in said)


@cache
def meanings() -> dict[tuple[str, str], str]:
    """The fact that each (verb, item) states: the inverse of :func:`forms` over the whole vocabulary."""
    counts = [Fact(name, value) for name in COUNTS for value in COUNT_VALUES]
    classes = [Fact(name, value) for name, values in CATEGORIES.items() for value in values]
    roles = [Fact("role", role) for role in ROLES]
    denied = [fact.denied() for fact in classes + roles]
    return {form: str(fact) for fact in counts + classes + roles + denied for form in forms(fact)}


def _count_forms(fact: Fact) -> tuple[tuple[str, str], ...]:
    noun = _NOUNS.get(fact.attribute, fact.attribute)
    if fact.value == SOME:
        items = (f"at least one {noun}", _with_article(noun))
        return tuple((verb, item) for item in items for verb in COUNT_VERBS)
    number = int(fact.value)
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    said = tuple((verb, f"{word} {noun}" if number == 1 else f"{word} {noun}s") for verb in COUNT_VERBS)
    if number == 0:
        items = (f"any {noun}s", _with_article(noun))
        said += tuple((DENIALS[verb], item) for item in items for verb in COUNT_VERBS)
    return said


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
