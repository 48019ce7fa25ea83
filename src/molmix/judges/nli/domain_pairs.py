"""Labelled pairs from captions of molecules, which adapt an NLI model to their language; and general pairs.

Every pair has a kind (:data:`KINDS`), which fixes its label. All kinds are made from captions alone: from their atoms
(:mod:`molmix.judges.decompose.backends.rules`), from words that exclude each other, and from atoms of other molecules.
The words and frames are kept apart from those of the planted errors that judges are validated with.

General pairs have no label. They consist of random words, as in Krishna et al. 2020 (arXiv 1910.12366): the answers of
a model on such pairs are enough to train a copy of it. So a model that keeps its own answers on them forgets little.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, NamedTuple

from molmix.judges.decompose.backends.rules import decompose
from molmix.judges.decompose.units import sentences
from molmix.judges.nli.settings import PairKind

SUBJECT = "The molecule"
StatementEdit = Callable[[str, Random], str | None]
# A statement of fewer captions than this is no known class.
_KNOWN = 2


class Pair(NamedTuple):
    """A labelled pair of texts."""

    premise: str
    hypothesis: str
    label: str
    kind: str


@dataclass(frozen=True)
class Caption:
    """A caption and its atoms."""

    text: str
    atoms: Sequence[str]


# ---- statements in other words --------------------------------------------------------------------------------------

# Frames with the same meaning: any of them can replace another.
_FRAMES = (
    ("has a role as ", "acts as ", "serves as ", "functions as ", "plays a role as ", "has the role of "),
    ("derives from ", "is derived from "),
    ("contains ", "possesses ", "includes "),
    ("is isolated from ", "was isolated from ", "has been isolated from "),
    ("is found in ", "has been found in ", "occurs in ", "is present in "),
    ("impacts ", "affects ", "influences "),
    ("is used as ", "has a use as "),
    ("is used for ", "finds use for "),
    ("is a conjugate base of ", "is the conjugate base of "),
    ("is a conjugate acid of ", "is the conjugate acid of "),
    ("is a member of ", "belongs to "),
    ("is a ", "is classified as a ", "can be described as a "),
    ("is an ", "is classified as an ", "can be described as an "),
)
_SUBJECTS = (SUBJECT, "The compound", "This compound", "It", "This molecule", "The substance")
_WORDS = (
    (" carrying ", " bearing "),
    (" obtained by ", " arising from "),
    (" consisting of ", " composed of "),
    (" in which ", " where "),
    (" attached to ", " linked to "),
)


def reworded(atom: str, rng: Random) -> str:
    """The statement in another frame, with other words, or with another subject."""
    if not atom.startswith(f"{SUBJECT} "):
        return atom
    said = atom.removeprefix(f"{SUBJECT} ")
    for frames in _FRAMES:
        frame = next((frame for frame in frames if said.startswith(frame)), None)
        if frame:
            said = rng.choice(frames) + said.removeprefix(frame)
            break
    for words in _WORDS:
        one, other = rng.sample(words, 2)
        said = said.replace(one, other)
    return f"{rng.choice(_SUBJECTS)} {said}"


# ---- statements that exclude each other -----------------------------------------------------------------------------

_START, _END = r"(?<![A-Za-z])", r"(?![A-Za-z])"
_COUNTS = "two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_MULTIPLIERS = "mono di tri tetra penta hexa".split()  # noqa: SIM905
# Beginnings of words that are counted in names, so that "disease" does not become "monosease".
_COUNTED = "acyl|amid|amin|anion|carbox|cation|glyc|hydrox|methyl|peptid|phosph|sacchar|sulf|terp"


def _sets(*words: str, before: str = _START, after: str = _END) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    """For each set of words that exclude each other (separated by "|"), a pattern that finds one of them."""
    return [(re.compile(f"{before}(?:{text}){after}"), tuple(text.split("|"))) for text in words]


_CLASSES = [
    *_sets(
        "primary|secondary|tertiary",
        "saturated|unsaturated|monounsaturated|polyunsaturated",
        "monocyclic|bicyclic|tricyclic|tetracyclic",
        "aromatic|aliphatic",
        "carboxylic acid|carboxylic ester|carboxamide",
        "alcohol|aldehyde|ketone|ether",
        "amine|amide|nitrile",
        "inhibitor|activator",
        "agonist|antagonist",
        "acidic|basic",
        "hydrophobic|hydrophilic",
        "aldose|ketose",
        "organic|inorganic",
    ),
    *_sets("|".join(_MULTIPLIERS), before="", after=rf"(?=(?:{_COUNTED}))"),
]
_CHARGES = [
    *_sets(
        "anion|cation|zwitterion",
        "anionic|cationic|zwitterionic",
        "conjugate acid|conjugate base",
        "deprotonation|protonation",
        "negatively|positively",
    ),
    (re.compile(r"\([1-5][+-]\)"), ("(1-)", "(2-)", "(3-)", "(4-)", "(1+)", "(2+)")),
]
_STEREO = [
    *_sets("alpha|beta", "cis|trans", "erythro|threo", "endo|exo", "levorotatory|dextrorotatory"),
    *_sets("L|D", after=r"(?=-)"),
    *_sets("R|S", before=r"(?<![A-Za-z,])", after=r"(?=[,)]|[- ](?:configuration|enantiomer))"),
    *_sets("E|Z", before=r"(?<=[\d(])", after=r"(?=[,)])"),
]
_NUMBERS = _sets("|".join(_COUNTS))
# A locant is the number of a position: "at position 3", "3-hydroxy", "(2S,3R)", "C-7".
_LOCANT = re.compile(
    r"(?<![\d.])\d{1,2}(?=[-,RSEZ'])|(?<=position )\d{1,2}\b|(?<=positions )\d{1,2}\b|(?<=\bC-)\d{1,2}\b"
)
_AMOUNT = re.compile(r"(?<![\w.,:(-])(?<!position )(?<!positions )\d{1,3}(?![\w.,:)'-])")
_STEPS = (-3, -2, -1, 1, 2, 3)


def _replaced(text: str, found: Sequence[tuple[re.Match[str], str]], rng: Random) -> str | None:
    if not found:
        return None
    match, new = rng.choice(found)
    return text[: match.start()] + new + text[match.end() :]


def _exchange(sets: Sequence[tuple[re.Pattern[str], tuple[str, ...]]]) -> StatementEdit:
    def edit(atom: str, rng: Random) -> str | None:
        found = [
            (match, rng.choice([word for word in words if word != match[0]]))
            for pattern, words in sets
            for match in pattern.finditer(atom)
        ]
        return _replaced(atom, found, rng)

    return edit


def _renumbered(pattern: re.Pattern[str]) -> StatementEdit:
    def edit(atom: str, rng: Random) -> str | None:
        found = [
            (match, str(rng.choice([int(match[0]) + step for step in _STEPS if int(match[0]) + step > 0])))
            for match in pattern.finditer(atom)
        ]
        return _replaced(atom, found, rng)

    return edit


_exchange_number, _renumber = _exchange(_NUMBERS), _renumbered(_AMOUNT)


def _other_number(atom: str, rng: Random) -> str | None:
    return _exchange_number(atom, rng) or _renumber(atom, rng)


_PLAIN_VERB = re.compile(rf"{SUBJECT} (has|[a-z]+[a-z]s) ")
_NO_VERBS = {"is", "was", "does"}


def denied(atom: str, rng: Random | None = None) -> str | None:
    """The denial of an affirmative statement; None if there is none."""
    match = re.match(rf"{SUBJECT} (is|was) (?!not )", atom)
    if match:
        return f"{match[0]}not {atom[match.end() :]}"
    match = _PLAIN_VERB.match(atom)
    if not match or match[1] in _NO_VERBS:
        return None
    verb = match[1]
    base = "have" if verb == "has" else f"{verb[:-3]}y" if verb.endswith("ies") else verb[:-1]
    base = base[:-1] if base.endswith("sse") else base
    return f"{SUBJECT} does not {base} {atom[match.end() :]}"


_EDITS: dict[str, StatementEdit] = {
    "class": _exchange(_CLASSES),
    "charge": _exchange(_CHARGES),
    "stereo": _exchange(_STEREO),
    "number": _other_number,
    "locant": _renumbered(_LOCANT),
    "negation": denied,
}

# ---- kinds of pairs -------------------------------------------------------------------------------------------------

ENTAILED, NEUTRAL, CONTRADICTED = "entailment", "neutral", "contradiction"
# By kind: label, and how often it is drawn. Each label is drawn equally often.
KINDS: dict[PairKind, tuple[str, float]] = {
    "itself": (ENTAILED, 2),
    "paraphrase": (ENTAILED, 5),
    "whole": (ENTAILED, 3),
    "coarser": (ENTAILED, 2),
    "class": (CONTRADICTED, 2),
    "charge": (CONTRADICTED, 2),
    "stereo": (CONTRADICTED, 2),
    "number": (CONTRADICTED, 2),
    "locant": (CONTRADICTED, 2),
    "negation": (CONTRADICTED, 2),
    "finer": (NEUTRAL, 2),
    "same molecule": (NEUTRAL, 4),
    "other molecule": (NEUTRAL, 6),
}
_TRIES = 40  # draws of an atom for one pair; a kind that a corpus has no words for is rare or missing
_WHOLE = 0.25  # share of pairs whose premise is a sentence or the whole caption

_ITEM = re.compile(rf"({SUBJECT} (?:is|has a role as) )an? ([^,]+)\.")


class DomainPairs:
    """Draws pairs from captions.

    Args:
        captions: of the training molecules, in any order.
        rng: of all draws.
    """

    def __init__(self, captions: Sequence[str], rng: Random) -> None:
        texts = sorted(set(captions))
        self.captions = [Caption(text, atoms) for text, atoms in zip(texts, decompose(texts), strict=True) if atoms]
        self._rng = rng
        items = Counter(
            match[1] + match[2] for one in self.captions for atom in one.atoms if (match := _ITEM.fullmatch(atom))
        )
        self._known = {item for item, number in items.items() if number >= _KNOWN}

    def draw(self, number: int, *, leave_out: Sequence[str] = ()) -> list[Pair]:
        """Distinct pairs; fewer if the captions do not give so many.

        Args:
            number: of pairs.
            leave_out: kinds that are not drawn.
        """
        kinds = {kind: weight for kind, (_, weight) in KINDS.items() if kind not in leave_out}
        labels = sorted({KINDS[kind][0] for kind in kinds})
        drawn: dict[Pair, None] = {}
        for _ in range(3 * number):
            label = self._rng.choice(labels)
            own = {kind: weight for kind, weight in kinds.items() if KINDS[kind][0] == label}
            (kind,) = self._rng.choices(list(own), list(own.values()))
            made = next(filter(None, (self._make(kind) for _ in range(_TRIES))), None)
            if made:
                drawn[Pair(*made, label, kind)] = None
            if len(drawn) == number:
                break
        return list(drawn)

    def _make(self, kind: PairKind) -> tuple[str, str] | None:
        """A pair of a kind about a random atom; None if that atom gives none."""
        caption = self._rng.choice(self.captions)
        atom = self._rng.choice(caption.atoms)
        if kind in _EDITS:
            return self._edited(caption, atom, _EDITS[kind])
        return self._MAKERS[kind](self, caption, atom)

    def _itself(self, caption: Caption, atom: str) -> tuple[str, str]:
        return atom, atom

    def _paraphrase(self, caption: Caption, atom: str) -> tuple[str, str] | None:
        other = reworded(atom, self._rng)
        if other == atom:
            return None
        return (atom, other) if self._rng.random() < 0.5 else (other, atom)

    def _whole(self, caption: Caption, atom: str) -> tuple[str, str]:
        return self._statement_of(caption, atom), self._sometimes_reworded(atom)

    def _coarser(self, caption: Caption, atom: str) -> tuple[str, str] | None:
        coarse = self._wider(atom)
        return (self._premise(caption, atom), coarse) if coarse else None

    def _finer(self, caption: Caption, atom: str) -> tuple[str, str] | None:
        coarse = self._wider(atom)
        return (coarse, atom) if coarse else None

    def _same_molecule(self, caption: Caption, atom: str) -> tuple[str, str] | None:
        other = self._rng.choice(caption.atoms)
        return None if _states(atom, other) else (self._sometimes_reworded(atom), other)

    def _other_molecule(self, caption: Caption, atom: str) -> tuple[str, str] | None:
        stranger = self._rng.choice(self.captions)
        beginning = " ".join(atom.split()[:4])
        alike = [one for one in stranger.atoms if one.startswith(beginning)]
        other = self._rng.choice(alike if alike and self._rng.random() < 0.5 else stranger.atoms)
        if _states(caption.text, other) or other in caption.atoms:
            return None
        return self._premise(caption, atom), self._sometimes_reworded(other)

    def _edited(self, caption: Caption, atom: str, edit: StatementEdit) -> tuple[str, str] | None:
        other = edit(atom, self._rng)
        if other is None or _states(caption.text, other):
            return None
        if self._rng.random() < 0.3:
            return self._sometimes_reworded(other), self._sometimes_reworded(atom)
        return self._premise(caption, atom), self._sometimes_reworded(other)

    _MAKERS: ClassVar[dict[PairKind, Any]] = {
        "itself": _itself,
        "paraphrase": _paraphrase,
        "whole": _whole,
        "coarser": _coarser,
        "finer": _finer,
        "same molecule": _same_molecule,
        "other molecule": _other_molecule,
    }

    def _sometimes_reworded(self, atom: str) -> str:
        return reworded(atom, self._rng) if self._rng.random() < 0.3 else atom

    def _premise(self, caption: Caption, atom: str) -> str:
        """The atom, or with some probability a text of its caption that states it."""
        return self._statement_of(caption, atom) if self._rng.random() < _WHOLE else self._sometimes_reworded(atom)

    def _statement_of(self, caption: Caption, atom: str) -> str:
        """A sentence of the caption that states the atom, or the caption."""
        said = _content(atom)
        stating = [text for text in sentences(caption.text) if said in text.lower()]
        return self._rng.choice([caption.text, *stating, *stating])

    def _wider(self, atom: str) -> str | None:
        """A class that the statement's class ends with, and that other captions state too."""
        match = _ITEM.fullmatch(atom)
        words = match[2].split() if match else []
        ends = [" ".join(words[start:]) for start in range(1, len(words))]
        known = [end for end in ends if match and match[1] + end in self._known]
        if not match or not known:
            return None
        end = self._rng.choice(known)
        return f"{match[1]}{'an' if end[0] in 'aeiou' else 'a'} {end}."


def _states(text: str, atom: str) -> bool:
    """Whether a text has the words of an atom."""
    return _content(atom) in text.lower()


def _content(atom: str) -> str:
    """The words of an atom after its verb and article, in lower case."""
    said = re.sub(rf"^{SUBJECT} (?:does not |has a role as |\w+s |was )", "", atom).removesuffix(".")
    return re.sub(r"^(?:not )?(?:an? |the )", "", said).lower()


def general_pairs(words: Sequence[str], number: int, rng: Random) -> list[tuple[str, str]]:
    """Pairs of random words: the hypothesis repeats a part of the premise with some other words.

    Args:
        words: the most frequent first; they are drawn by Zipf's law.
        number: of pairs.
        rng: of all draws.
    """
    weights = [1 / (rank + 10) for rank in range(len(words))]
    totals: list[float] = []
    for weight in weights:
        totals.append(weight + (totals[-1] if totals else 0))
    return list(_general(words, totals, number, rng))


def _general(words: Sequence[str], totals: list[float], number: int, rng: Random) -> Iterator[tuple[str, str]]:
    for _ in range(number):
        premise = rng.choices(words, cum_weights=totals, k=rng.randint(4, 20))
        if rng.random() < 0.25:
            hypothesis = rng.choices(words, cum_weights=totals, k=rng.randint(3, 12))
        else:
            begin = rng.randrange(max(1, len(premise) - 4))
            hypothesis = premise[begin : begin + rng.randint(3, 12)]
            for _ in range(rng.randint(0, 3)):
                hypothesis[rng.randrange(len(hypothesis))] = rng.choices(words, cum_weights=totals)[0]
        yield f"{' '.join(premise)}.".capitalize(), f"{' '.join(hypothesis)}.".capitalize()
