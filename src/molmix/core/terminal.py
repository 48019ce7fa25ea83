"""Text that models wrote, made safe for a terminal."""

from __future__ import annotations

import unicodedata

# Line and paragraph separators, and what turns the writing direction of all that follows on a screen.
_UNSAFE = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """The text on one line, with every character that steers a terminal written out (``\\x1b``, ``\\n``).

    Such characters could recolour, overwrite or reorder what stands around them. Letters of any script and direction,
    and emoji with their joiners, stay as they are.
    """
    return "".join(_written_out(char) if _steers(char) else char for char in text)


def _steers(char: str) -> bool:
    return char in _UNSAFE or unicodedata.category(char) in ("Cc", "Cs")  # controls; halves of broken UTF-16


def _written_out(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
