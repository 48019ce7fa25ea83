"""Text as every decomposer and splitter sees it: cleaned, and with the separators hidden that separate nothing."""

import re
from bisect import bisect

_OPENERS = r"(?:It|Its|The|This|These|They|A|An|In|When)"
_ABBREVIATIONS = r"(?:e\.g|i\.e|cf|vs|sp|spp|subsp|ssp|var|ca|approx|no|nos|fig|ref|al|etc|resp|v|st|dr|[A-Za-z])"

# Inside brackets and after abbreviations these four separate nothing. They are hidden there, as characters of the
# private use area, so that no rule has to know about brackets.
_HIDDEN = str.maketrans(" ,.;", "\ue000\ue001\ue002\ue003")
SHOWN = str.maketrans("\ue000\ue001\ue002\ue003", " ,.;")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ue000-\ue003]+")  # also what no file could hold
_BRACKET = re.compile(r"[][(){}]")
_ABBREVIATION = re.compile(rf"(?<![\w/-]){_ABBREVIATIONS}\.(?! {_OPENERS} )", re.I)
_NEW_SENTENCE = re.compile(r"[.!?] *(?:It|The molecule) [a-z]")


def clean(text: str) -> str:
    """A text with single spaces for blanks and for all that is no text: control and half characters."""
    return _BLANK.sub(" ", text).strip()


def says_something(text: str) -> bool:
    """Whether there is a letter or digit in a text."""
    return any(map(str.isalnum, text))


def sentence(statement: str) -> str:
    """A statement with one full stop at its end."""
    return f"{statement.strip(' .!?,;:')}."


def hide(text: str) -> str:
    """Hide the separators that stand in brackets that close, or that end an abbreviation."""
    pairs, opened = [], []
    sentences = [begins.start() for begins in _NEW_SENTENCE.finditer(text)]
    for bracket in _BRACKET.finditer(text):
        if bracket[0] in "([{":
            opened.append(bracket)
        elif opened and opened[-1][0] + bracket[0] in ("()", "[]", "{}"):
            start = opened.pop().start()
            if bisect(sentences, start) == bisect(sentences, bracket.start()):  # else it was never closed
                pairs.append((start, bracket.start()))
    pieces, end = [], len(text)
    for start, stop in reversed(pairs):  # outer pairs first: they close last
        if stop < end:
            pieces += [text[stop:end], text[start:stop].translate(_HIDDEN)]
            end = start
    text = "".join([text[:end], *reversed(pieces)])
    return _ABBREVIATION.sub(lambda match: match[0].translate(_HIDDEN), text)
