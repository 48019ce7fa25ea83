"""Edits of statements if the facts of the molecule are known: in the embedded world.

The effect of each change on the truth is checked by :func:`molmix.data.synthetic.logic.relation`.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from random import Random

from molmix.analysis.judge_validation.document import DENIED, Sentence, Statement, statement
from molmix.analysis.judge_validation.perturbations._edit import Finder
from molmix.data.synthetic.captions import atoms, parse
from molmix.data.synthetic.logic import CONTRADICTION, ENTAILMENT, close, relation
from molmix.data.synthetic.vocabulary import CATEGORIES, SOME, Fact

_DONORS = 100  # number of other molecules that are searched for a fact that is false here
_STEPS = (-2, -1, 1, 2)  # changes of a count


class KnownFacts:
    """The edits of one caption; see
    :class:`molmix.analysis.judge_validation.perturbations.Ground`."""

    def __init__(
        self,
        stated: Sequence[str],
        truth: Sequence[str],
        others: Sequence[Sequence[str]],
        caption: str | None = None,
    ) -> None:
        """Store the facts that the reference states, all true facts, the stated facts of other captions, and the edited
        caption if it is not the reference."""
        self._reference, self._truth, self._others = stated, truth, others
        self._is_reference = caption is None
        self._stated = [*stated, *(parse(caption) if caption else [])]

    def is_understood(self, sentence: Sentence) -> bool:
        """Whether the fact of each of its statements is known."""
        return all(map(_fact, sentence.statements))

    def is_stated(self, one: Statement) -> bool:
        """Whether the reference's facts entail the statement."""
        fact = _fact(one)
        return self._is_reference or bool(fact and relation(self._reference, [str(fact)]) == ENTAILMENT)

    def foreign(self, rng: Random) -> Iterator[Statement]:
        """Facts of other molecules that are false for this one, on topics that are not mentioned yet."""
        told = set(map(_topic, map(Fact.read, self._stated)))
        for facts in rng.sample(self._others, min(len(self._others), _DONORS)):
            fact = Fact.read(rng.choice(facts))
            if _topic(fact) not in told and self._is_false(fact):
                told.add(_topic(fact))
                yield rng.choice(_forms(fact))

    def replaced(self, one: Statement, find: Finder, rng: Random) -> Statement | None:
        """None: where facts are known, errors are made from them."""
        return None

    def renumbered(self, one: Statement, rng: Random) -> Statement | None:
        """A changed count."""
        fact = _fact(one)
        if not fact or fact.kind != "count" or fact.value == SOME:
            return None
        number = int(fact.value)
        others = [Fact(fact.attribute, str(number + step)) for step in _STEPS if number + step > 0]
        return self._instead(one, [other for other in others if self._is_false(other)], rng)

    def reclassed(self, one: Statement, rng: Random) -> Statement | None:
        """Another class of a category, which excludes the stated one."""
        fact = _fact(one)
        if not fact or fact.kind != "category" or not fact.holds:
            return None
        others = [Fact(fact.attribute, value) for value in CATEGORIES[fact.attribute] if value != fact.value]
        return self._instead(one, [other for other in others if self._is_false(other)], rng)

    def negated(self, one: Statement, rng: Random) -> Statement | None:
        """The denial of the fact; for a denial, the fact."""
        fact = _fact(one)
        return self._instead(one, [fact.denied()] if fact and self._is_false(fact.denied()) else [], rng)

    def reworded(self, one: Statement, rng: Random) -> Statement | None:
        """The same fact in other words."""
        fact = _fact(one)
        others = [other for other in _forms(fact) if other != one] if fact else []
        return rng.choice(others) if others else None

    def _is_false(self, fact: Fact) -> bool:
        return relation(self._closed, [str(fact)]) == CONTRADICTION

    @cached_property
    def _closed(self) -> list[str]:
        return close(self._truth)

    def _instead(self, one: Statement, facts: Sequence[Fact], rng: Random) -> Statement | None:
        """One of the facts, with the replaced statement's verb or its denial, if such a form exists."""
        if not facts:
            return None
        forms = _forms(rng.choice(facts))
        return rng.choice([form for form in forms if form.verb in (one.verb, DENIED.get(one.verb))] or forms)


def _fact(one: Statement) -> Fact | None:
    facts = parse(str(one))
    return Fact.read(facts[0]) if len(facts) == 1 else None


def _topic(fact: Fact) -> str:
    """The topic of a fact, which allows one statement only. Each role is its own topic: a molecule may have several."""
    return str(fact) if fact.kind == "role" else fact.attribute


def _forms(fact: Fact) -> list[Statement]:
    return [statement(alone) for alone in atoms(str(fact))]
