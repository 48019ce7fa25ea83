"""The exception whose message is for users, and functions that show values, numbers and texts in messages."""

import unicodedata
from reprlib import Repr

_short = Repr()
_short.maxlevel = _short.maxlist = _short.maxdict = 3
_short.maxstring = _short.maxother = _short.maxlong = 80
_YAML = {None: "null", True: "true", False: "false"}
# Line and paragraph separators, and marks that change the writing direction of the text after them.
_UNSAFE = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class MolmixError(Exception):
    """An error that the user can fix: a wrong config, wrong data, a missing or damaged file.

    The message is complete: it names the key or the file (and row), the value, and what to do. The command line and
    the job wrapper print only the message, without a traceback. It may quote data and answers of servers, so control
    characters are escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(escape_control(line) for line in message.split("\n")))


def fault(where: object, what: str, hint: str) -> MolmixError:
    """Build a :class:`MolmixError`: ``where: what``, and on the next line ``Hint: hint``.

    Args:
        where: the config key, or the file (with its row) that is wrong.
        what: what is wrong with it, including the wrong value.
        hint: what to do, as an instruction.
    """
    return MolmixError(f"{where}: {what}\n  Hint: {hint}")


def counted(number: int, noun: str) -> str:
    """A number with its noun, which is in the plural unless the number is 1: "1 model", "2 models"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def show_value(value: object) -> str:
    """A value as messages show it: in the syntax of YAML or Python, shortened if it is long."""
    return next((text for plain, text in _YAML.items() if value is plain), None) or _short.repr(value)


def escape_control(text: str) -> str:
    """The text on one line, with every control character escaped (``\\x1b``, ``\\n``).

    A model or a server may have written the text. Its control characters could change colours of the terminal, or
    overwrite or reorder its text. Letters of any script and direction, and emoji with their joiners, are not changed.
    """
    return "".join(char.encode("unicode_escape").decode("ascii") if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    return char in _UNSAFE or unicodedata.category(char) in ("Cc", "Cs")  # controls; halves of broken UTF-16
