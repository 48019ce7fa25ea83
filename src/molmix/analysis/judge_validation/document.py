"""A caption as an editable document: text is parsed into sentences of statements, and written as text again.

A sentence without an edit keeps its words. An edited sentence is written anew from its statements, with one list per
verb. So an edit of one item does not change the others: "It is a dye and a ligand." becomes "It is a dye. It is not a
ligand."
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from molmix.judges.decompose.backends.rules import decompose
from molmix.judges.decompose.units import sentences

# ---- verbs of captions, and their denials ---------------------------------------------------------------------------

_BASES = {
    "contains": "contain",
    "possesses": "possess",
    "bears": "bear",
    "carries": "carry",
    "includes": "include",
    "shows": "show",
    "exhibits": "exhibit",
    "displays": "display",
    "impacts": "impact",
    "affects": "affect",
    "influences": "influence",
    "inhibits": "inhibit",
    "activates": "activate",
    "targets": "target",
    "treats": "treat",
    "causes": "cause",
    "emits": "emit",
    "requires": "require",
    "acts as": "act as",
    "serves as": "serve as",
    "functions as": "function as",
    "works as": "work as",
    "belongs to": "belong to",
    "derives from": "derive from",
    "consists of": "consist of",
    "has": "have",
    "has a role as": "have a role as",
    "has an effect on": "have an effect on",
}
DENIED = {"is": "is not", "was": "was not"} | {verb: f"does not {base}" for verb, base in _BASES.items()}
AFFIRMED = {denial: verb for verb, denial in DENIED.items()}
VERBS = (*DENIED, *AFFIRMED)

# ---- documents ----------------------------------------------------------------------------------------------------

FIRST, LATER = "The molecule", "It"  # subject of the first sentence, and of later ones

_ALONE = re.compile(rf"{FIRST} ({'|'.join(sorted(VERBS, key=len, reverse=True))}) (.+)\.")
_ARTICLE = re.compile(r"an? |the ")
# An item with these could not be separated from the others in its list.
_OPEN = re.compile(r", | (?:and|that|which|where|in|by|with|from|at|for|respectively)\b")
_LONGEST = 6  # maximum words of an item in a list


@dataclass(frozen=True)
class Statement:
    """One statement about the molecule: "is", "a dye". Without a verb, the item is a whole sentence of another form."""

    verb: str
    item: str
    subject: str = ""  # if it is not the usual one

    def __str__(self) -> str:
        """The statement as a sentence that can be read alone."""
        return f"{self.subject or FIRST} {self.verb} {self.item}." if self.verb else f"{self.item}."


@dataclass(frozen=True)
class Sentence:
    """Statements of one sentence, and the original words, if they are still valid."""

    statements: tuple[Statement, ...]
    written: str = ""


Document = tuple[Sentence, ...]


@lru_cache(maxsize=10_000)  # a caption is read for each edit and dose, and as a source of foreign statements
def read_document(text: str) -> Document:
    """The sentences of a caption; its statements are the atoms of the rule-based decomposition."""
    written = sentences(text)
    atoms = decompose(written)
    told = zip(atoms, written, strict=True)
    return tuple(Sentence(tuple(map(statement, parts)), sentence) for parts, sentence in told if parts)


def statement(atom: str) -> Statement:
    """The statement of an atom (a sentence that can be read alone)."""
    match = _ALONE.fullmatch(atom)
    return Statement(match[1], match[2]) if match else Statement("", atom.removesuffix("."))


def to_text(document: Document) -> str:
    """The running text of a caption."""
    told = [words for sentence in document for words in ([sentence.written] if sentence.written else _told(sentence))]
    if told and told[0].startswith(f"{LATER} "):
        told[0] = FIRST + told[0].removeprefix(LATER)
    return " ".join(told)


def changed(document: Document, changes: Mapping[Statement, Statement | None]) -> Document:
    """The document with some statements replaced, or removed (None), at every occurrence."""
    edited: list[Sentence] = []
    for sentence in document:
        statements = tuple(changes.get(one, one) for one in sentence.statements)
        if statements == sentence.statements:
            edited.append(sentence)
        elif kept := tuple(one for one in statements if one):
            edited.append(Sentence(kept))
    return tuple(edited)


def _told(sentence: Sentence) -> Iterator[str]:
    """Sentences for the statements: statements that can share a list are joined, in order of the lists' first item."""
    keys = [_list_of(number, one) for number, one in enumerate(sentence.statements)]
    for key in dict.fromkeys(keys):
        listed = [one for one, own in zip(sentence.statements, keys, strict=True) if own == key]
        if not listed[0].verb:
            yield str(listed[0])
            continue
        yield f"{listed[0].subject or LATER} {listed[0].verb} {_listed([one.item for one in listed])}."


def _list_of(number: int, one: Statement) -> tuple[object, ...]:
    """A key, equal for statements that can share a list: same verb, both with or without article ("a dye", "small")."""
    if not one.verb or _OPEN.search(one.item) or len(one.item.split()) > _LONGEST:
        return (number,)
    return one.subject, one.verb, bool(_ARTICLE.match(one.item))


def _listed(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
