"""Prepare text for decomposers and splitters: clean it, and hide punctuation that separates nothing."""

import re
from bisect import bisect

_OPENERS = r"(?:It|Its|The|This|These|They|A|An|In|When)"
_ABBREVIATIONS = r"(?:e\.g|i\.e|cf|vs|sp|spp|subsp|ssp|var|ca|approx|no|nos|fig|ref|al|etc|resp|v|st|dr|[A-Za-z])"

# Inside brackets and after abbreviations, these four separate nothing. There they are replaced by characters of the
# private use area, so that rules need not handle brackets.
_HIDDEN = str.maketrans(" ,.;", "\ue000\ue001\ue002\ue003")
SHOWN = str.maketrans("\ue000\ue001\ue002\ue003", " ,.;")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ue000-\ue003]+")  # also characters that files cannot hold
_BRACKET = re.compile(r"[][(){}]")
_ABBREVIATION = re.compile(rf"(?<![\w/-]){_ABBREVIATIONS}\.(?! {_OPENERS} )", re.I)
# A source at the start of a text or after a sentence: "(NTP, 1992)", "(L123)".
_SOURCE = re.compile(r"(?:^|(?<=[.!?]))\s*\((?:From [^()]*|(?=[A-Z]{2}|[A-Z]\d)[^()a-z]*)\)\.?(?=\s|$)")
# Where a sentence ends in other scripts: after the full stops of Arabic, Urdu, Hindi, Amharic, Armenian, Burmese and
# Khmer and a blank; after those of Chinese and Japanese without one, if no quote or bracket closes there.
_STOPS, _WIDE_STOPS, _CLOSERS = "\u061f\u06d4\u0964\u0965\u1362\u0589\u104b\u17d4", "。．！？｡", "」』”’）》"
OTHER_SENTENCE_END = (
    rf"(?<=[{_STOPS}]) |(?<=[{_WIDE_STOPS}])(?![{_WIDE_STOPS}{_CLOSERS}]) ?|(?<=[{_WIDE_STOPS}][{_CLOSERS}]) "
)
_OTHER_STOP = re.compile(rf"[{_STOPS}{_WIDE_STOPS}][{_CLOSERS}]?$")
_NEW_SENTENCE = re.compile(r"[.!?] *(?:It|The molecule) [a-z]")


def clean(text: str) -> str:
    """A text with single spaces instead of blanks, control characters and half characters."""
    return _BLANK.sub(" ", text).strip()


def says_something(text: str) -> bool:
    """Whether there is a letter or digit in a text."""
    return any(map(str.isalnum, text))


def sentence(statement: str) -> str:
    """A statement with one full stop at its end. A full stop of another script stays."""
    text = statement.strip(" .!?,;:")
    return text if _OTHER_STOP.search(text) else f"{text}."


def without_sources(text: str) -> str:
    """A text without sources in brackets; the text itself if nothing else is in it."""
    rest = _SOURCE.sub("", text)
    return rest if says_something(rest) else text


def hide(text: str) -> str:
    """Hide separators inside closed brackets and at the end of abbreviations."""
    pairs, opened = [], []
    sentences = [begins.start() for begins in _NEW_SENTENCE.finditer(text)]
    for bracket in _BRACKET.finditer(text):
        if bracket[0] in "([{":
            opened.append(bracket)
        elif opened and opened[-1][0] + bracket[0] in ("()", "[]", "{}"):
            start = opened.pop().start()
            if bisect(sentences, start) == bisect(sentences, bracket.start()):  # else the bracket is not closed
                pairs.append((start, bracket.start()))
    pieces, end = [], len(text)
    for start, stop in reversed(pairs):  # outer pairs first: they close last
        if stop < end:
            pieces += [text[stop:end], text[start:stop].translate(_HIDDEN)]
            end = start
    text = "".join([text[:end], *reversed(pieces)])
    return _ABBREVIATION.sub(lambda match: match[0].translate(_HIDDEN), text)
