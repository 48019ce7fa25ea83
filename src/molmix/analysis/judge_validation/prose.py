"""Edits of statements of any English caption (ChEBI-20, L+M-24), by closed tables of words.

Only the references of a molecule are known. So an error here is an error *against the reference*: a foreign statement
is not in the reference, but may still be true.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from random import Random

from molmix.analysis.judge_validation.document import (
    AFFIRMED,
    DENIED,
    FIRST,
    Sentence,
    Statement,
    read_document,
    statement,
)
from molmix.analysis.judge_validation.perturbations._edit import Finder
from molmix.judges.structure import Structure, structure_of

_DONORS = 100  # number of other captions that are searched for a foreign statement
_ARTICLE = re.compile(r"an? |the ")

_COUNTS = "two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_STEPS = (-2, -1, 1, 2)
# Not inside a longer number or a decimal fraction; longer numbers are names (of a strain, of a compound)
_NUMBER = re.compile(rf"(?<![\d.])\d{{1,3}}(?![\d.])|\b(?:{'|'.join(_COUNTS)})\b")

# (pattern before, one, other, pattern after): one and other exclude each other at the same position of a name.
_START, _END = r"(?<![A-Za-z])", r"(?![A-Za-z])"
# Words that mono- and di- count in names, so that "disease" does not become "monosease"
_COUNTED = "acyl|amid|amin|anion|carbox|cation|glyc|hydr|methyl|oxygen|peptid|phosph|sacchar|sulf|terp|unsatur"
_OPPOSITES = (
    (_START, "conjugate acid", "conjugate base", _END),
    (r"", "carboxylic acid", "carboxylic ester", _END),
    (_START, "L", "D", r"(?=-)"),
    (r"(?<![A-Za-z,])", "R", "S", r"(?=[,)]|[- ]configuration)"),
    (r"(?<=[\d(])", "E", "Z", r"(?=[,)])"),
    (_START, "alpha", "beta", _END),
    (_START, "cis", "trans", r"(?=-)"),
    (r"", "mono", "di", rf"(?={_COUNTED})"),
    (_START, "anion", "cation", _END),
    (_START, "anionic", "cationic", _END),
    (_START, "primary", "tertiary", _END),
    (_START, "saturated", "unsaturated", _END),
    (_START, "inhibitor", "activator", r"s?\b"),
    (_START, "agonist", "antagonist", r"s?\b"),
    (_START, "acidic", "basic", _END),
    (_START, "hydrophobic", "hydrophilic", _END),
)
_SWAPS = tuple(
    (re.compile(before + old + after), new)
    for before, one, other, after in _OPPOSITES
    for old, new in ((one, other), (other, one))
)

# Synonyms in a statement without its subject.
_SYNONYMS = tuple(
    (re.compile(pattern), new)
    for pattern, news in (
        (r"^has a role as ", ("acts as ", "serves as ", "functions as ")),
        (r"^(?:acts|serves|functions) as ", ("has a role as ",)),
        (r"^derives from ", ("is derived from ",)),
        (r"^is (?:a )?member of the class of ", ("belongs to the class of ",)),
        (r"^is a member of (?!the )", ("belongs to the class of ",)),
        (r"^belongs to the class of ", ("is a member of the class of ",)),
        (r"^belongs to the (?=.* class\b)", ("is a member of the ",)),
        (r"^is an? (?=(?:conjugate (?:acid|base)|enantiomer|tautomer|stereoisomer) of )", ("is the ",)),
        (r"^impacts ", ("affects ",)),
        (r"^affects ", ("impacts ",)),
        (r"^(?:contains|possesses) ", ("includes ",)),
        (r"(?<= )carrying (?=an? |\w+ \w+ (?:groups|substituents))", ("bearing ",)),
        (r"(?<= )(?:obtained|resulting) (?=(?:by|from) (?:the )?(?:formal )?)", ("arising ",)),
        (r"(?<= )in which (?=the |an? |one |both )", ("where ",)),
    )
    for new in news
)
_SUBJECTS = ("The compound", "This compound")


class Prose:
    """The edits of one caption; see
    :class:`molmix.analysis.judge_validation.perturbations.Ground`."""

    def __init__(
        self,
        references: Sequence[str],
        others: Sequence[str],
        caption: str | None = None,
        molecule: str | None = None,
    ) -> None:
        """Store all references of the molecule, the captions of other molecules, the edited caption if it is not a
        reference, and the SMILES of the molecule."""
        self._said = " ".join(" ".join([*references, caption or ""]).lower().split())
        self._references, self._others, self._is_reference = references, others, caption is None
        self._molecule = molecule

    def is_understood(self, sentence: Sentence) -> bool:
        """Any sentence can be edited."""
        return True

    def is_stated(self, one: Statement) -> bool:
        """Whether a reference has the same statement."""
        return self._is_reference or _key(one) in self._stated

    @cached_property
    def _stated(self) -> set[str]:
        texts = map(read_document, self._references)
        return {_key(one) for document in texts for sentence in document for one in sentence.statements}

    def foreign(self, rng: Random) -> Iterator[Statement]:
        """Statements of other captions that are in no reference of this molecule."""
        for caption in rng.sample(self._others, min(len(self._others), _DONORS)):
            plain = [one for sentence in read_document(caption) for one in sentence.statements if one.verb]
            one = rng.choice(plain) if plain else None
            if one and self._is_new(one):
                yield one

    @cached_property
    def _structure(self) -> Structure | None:
        return structure_of(self._molecule)

    def replaced(self, one: Statement, find: Finder, rng: Random) -> Statement | None:
        """The statement with one part replaced, such that no reference states the result."""
        found = list(find(one, self._structure))
        for part in rng.sample(found, len(found)):
            before = _with_article(one.item[: part.start], part.new)
            other = Statement(one.verb, f"{before}{part.new}{one.item[part.end :]}", one.subject)
            if self._is_new(other):
                return other
        return None

    def renumbered(self, one: Statement, rng: Random) -> Statement | None:
        """The statement with one changed number: a count, a locant or a charge."""
        found = list(_NUMBER.finditer(one.item))
        return self._altered(one, [(match, _other_number(match[0], rng)) for match in found], rng)

    def reclassed(self, one: Statement, rng: Random) -> Statement | None:
        """The statement with one word replaced by its opposite."""
        found = [(match, new) for pattern, new in _SWAPS for match in pattern.finditer(one.item)]
        return self._altered(one, found, rng)

    def negated(self, one: Statement, rng: Random) -> Statement | None:
        """The denial of the statement."""
        verb = (DENIED | AFFIRMED).get(one.verb)
        return Statement(verb, one.item) if verb else None

    def reworded(self, one: Statement, rng: Random) -> Statement | None:
        """The statement in other words; if there are none, with the subject "the compound"."""
        if not one.verb:
            return None
        said = f"{one.verb} {one.item}"
        reworded = [pattern.sub(new, said, count=1) for pattern, new in _SYNONYMS if pattern.search(said)]
        if not reworded:
            return Statement(one.verb, one.item, rng.choice(_SUBJECTS))
        return statement(f"{FIRST} {rng.choice(reworded)}.")

    def _altered(self, one: Statement, found: Sequence[tuple[re.Match[str], str]], rng: Random) -> Statement | None:
        """The statement with one match replaced, such that no reference states the result."""
        for match, new in rng.sample(found, len(found)):
            item = one.item[: match.start()] + new + one.item[match.end() :]
            other = Statement(one.verb, item)
            if self._is_new(other):
                return other
        return None

    def _is_new(self, one: Statement) -> bool:
        """Whether no reference has its words. "plant metabolite" also contains the class "metabolite"."""
        return _ARTICLE.sub("", one.item.lower(), count=1) not in self._said


def _key(one: Statement) -> str:
    """The words of a statement, without its subject and the article of its item."""
    return f"{one.verb} {_ARTICLE.sub('', one.item, count=1)}".lower()


def _with_article(before: str, word: str) -> str:
    """A text that goes on with another word: its article at the end fits ("an amino" becomes "a nitro")."""
    if not (match := re.search(r"\b(an?) $", before)) or not word[:1].isalpha():
        return before
    return f"{before[: match.start(1)]}{'an' if word[0].lower() in 'aeiou' else 'a'} "


def _other_number(number: str, rng: Random) -> str:
    if number in _COUNTS:
        return rng.choice([other for other in _COUNTS[:6] if other != number])
    return str(rng.choice([int(number) + step for step in _STEPS if int(number) + step > 0]))
