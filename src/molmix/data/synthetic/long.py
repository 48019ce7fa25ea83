"""Captions of 100 words and more, whose sentences refer to each other by pronoun and order.

They test how well a decomposer splits connected prose into atoms: "Two uses of it are known. The first of these is as a
dye." The facts of such a caption are known, because every passage is made from given facts. But
:func:`molmix.data.synthetic.captions.parse` does not find all of them: it reads single plain sentences.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

import pandas as pd

from molmix.data.synthetic.captions import forms, state_facts
from molmix.data.synthetic.logic import close
from molmix.data.synthetic.vocabulary import SOME, Fact

WORDS = 100  # minimum of a caption, if there are enough facts
_LENGTHS = (1, 2, 2, 3, 4)  # of passages, in facts
_OPENERS = ("It", "It", "The molecule", "It also", "It also", "It also", "Besides that, it", "What is more, it")

# Makes one passage: the words that state all of its facts
PassageMaker = Callable[[Sequence[Fact], Random], str]


def long_rows(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Molecules of a split of the world's table with long captions, as a split named ``long``.

    Args:
        frame: rows of :func:`molmix.data.synthetic.corpus.corpus`.
        seed: of the captions; the caption of a row does not depend on the other rows.

    Returns:
        The columns of ``frame``, row for row. Each id is ``long-`` and the id in ``frame``.
    """
    captions = [
        long_caption(truth, close(truth), Random(f"long {seed} {name}"))
        for name, truth in zip(frame["id"], frame["truth"], strict=True)
    ]
    return frame.assign(
        id="long-" + frame["id"],
        caption=[text for text, _ in captions],
        facts=pd.Series([stated for _, stated in captions], index=frame.index),
        split="long",
    )


def long_caption(facts: Sequence[str], closed: Sequence[str], rng: Random) -> tuple[str, list[str]]:
    """A caption that states all of the facts, and absences until it is long.

    Args:
        facts: canonical facts of a molecule, not empty.
        closed: all that is true of it, absences included (:func:`molmix.data.synthetic.logic.close`).
        rng: draws absences and phrasing.

    Returns:
        The text, and the stated facts, each once. The text has at least :data:`WORDS` words unless ``closed`` has too
        few facts.
    """
    present = [Fact.read(fact) for fact in facts]
    absent = [fact for fact in map(Fact.read, closed) if _is_absence(fact) and fact not in present]
    more = list(_chunks(rng.sample(absent, len(absent)), rng))
    first, *rest = _chunks(present, rng)
    text, stated = state_facts(map(str, first), rng)
    for number, chunk in enumerate([*rest, *rng.sample(more, len(more))]):
        if number >= len(rest) and len(text.split()) >= WORDS:
            break
        # Prefer passages that refer to their context
        referring = [make for fits, make in _MAKERS if fits(chunk)]
        text += " " + rng.choice([_plain, *referring * 3])(chunk, rng)
        stated += map(str, chunk)
    return text, stated


def _chunks(facts: Sequence[Fact], rng: Random) -> Iterator[list[Fact]]:
    """The facts in passages: counts, then classes, then uses."""
    for kind in ("count", "category", "role"):
        rest = [fact for fact in facts if fact.kind == kind]
        while rest:
            length = rng.choice(_LENGTHS)
            yield rest[:length]
            rest = rest[length:]


def _is_absence(fact: Fact) -> bool:
    return not fact.holds or fact.value == "0"


# --- the kinds of passage, and the facts that each can state


def _plain(facts: Sequence[Fact], rng: Random) -> str:
    """Sentences as in short captions; the first refers to the text before it."""
    text, _ = state_facts(map(str, facts), rng)
    return f"{rng.choice(_OPENERS)} {text.removeprefix('The molecule ')}"


def _former(facts: Sequence[Fact], rng: Random) -> str:
    """Two counts, referred to by their order."""
    nouns = [_noun(fact) for fact in facts]
    numbers = [_number(fact) for fact in facts]
    verb = rng.choice(("has", "contains"))
    return (
        f"As for {nouns[0]} and {nouns[1]}, it {verb} {numbers[0]} of the former and {numbers[1]} of the latter."
        if rng.random() < 0.5
        else f"Both {nouns[0]} and {nouns[1]} occur in it. Of the first of these there {_are(facts[0])}, "
        f"of the second {numbers[1]}."
    )


def _ordered_uses(facts: Sequence[Fact], rng: Random) -> str:
    """Uses, referred to by their order."""
    first, second, *more = [forms(fact)[0][1] for fact in facts]
    count = {2: "Two", 3: "Three"}[len(facts)]
    text = f"{count} uses of it are known. The first of these is as {first}; the second is as {second}"
    return text + (f", and the last is as {more[0]}." if more else ".")


def _neither(facts: Sequence[Fact], rng: Random) -> str:
    """Two absences in one passage."""
    if facts[0].kind == "role":
        one, other = (forms(fact)[0][1] for fact in facts)
        return rng.choice((f"It is neither {one} nor {other}.", f"It is not {one}. Nor does it serve as {other}."))
    one, other = map(_noun, facts)
    return rng.choice(
        (
            f"Neither {one} nor {other} are found in it.",
            f"One may look for {one} and for {other}. Neither of these is present.",
            f"It contains no {one}. The same is true of {other}.",
        )
    )


def _class(facts: Sequence[Fact], rng: Random) -> str:
    """A class, stated with the noun of its category."""
    (fact,) = facts
    adjective = {"medium": "medium", "nonpolar": "low", "moderately polar": "moderate", "polar": "high"}
    return f"Its {fact.attribute} is {adjective.get(fact.value, fact.value)}."


def _noun(fact: Fact) -> str:
    """The counted thing, in the plural."""
    return forms(Fact(fact.attribute, "2"))[0][1].removeprefix("two ")


def _number(fact: Fact) -> str:
    return forms(fact)[0][1].split()[0]


def _are(fact: Fact) -> str:
    return f"{'is' if fact.value == '1' else 'are'} {_number(fact)}"


_MAKERS: tuple[tuple[Callable[[Sequence[Fact]], bool], PassageMaker], ...] = (
    (lambda facts: len(facts) == 2 and all(f.kind == "count" and f.value not in ("0", SOME) for f in facts), _former),
    (lambda facts: len(facts) in (2, 3) and all(fact.kind == "role" and fact.holds for fact in facts), _ordered_uses),
    (lambda facts: len(facts) == 2 and all(map(_is_absence, facts)) and len({f.kind for f in facts}) == 1, _neither),
    (lambda facts: len(facts) == 1 and facts[0].kind == "category" and facts[0].holds, _class),
)
