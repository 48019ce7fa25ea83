"""The English of the embedded world: every way to say a fact, as a verb and one item of its list.

The grammar is regular on purpose, so that a splitter that knows no chemistry can take a caption apart: a
sentence is ``subject verb item, item and item.``, one verb and one list, lists never nest, and no item holds
a comma or "and". Carrying the verb to each item gives exactly the stand-alone sentences of
:func:`molmix.data.synthetic.captions.atoms`.
"""

from functools import cache

from molmix.data.synthetic.vocabulary import CATEGORIES, COUNT_VALUES, COUNTS, ROLES, SOME, Fact

COUNT_VERBS = ("contains", "has", "bears", "carries")
ROLE_VERBS = ("is", "acts as", "has a role as", "serves as")
# How a verb is denied. All verbs of the world are here.
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

# Digits from thirteen on
_NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
# The noun of a count, where it is not the attribute itself
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


@cache
def forms(fact: Fact) -> tuple[tuple[str, str], ...]:
    """Every (verb, item) that says a fact. The first four run parallel: form ``i`` of a kind has one verb."""
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
    """The fact that each (verb, item) says: the inverse of :func:`forms` over the whole vocabulary."""
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
