"""The one exception that a person is meant to read."""

from reprlib import Repr

from molmix.core.terminal import visible

_short = Repr()
_short.maxlevel = _short.maxlist = _short.maxdict = 3
_short.maxstring = _short.maxother = _short.maxlong = 80
_YAML = {None: "null", True: "true", False: "false"}


class MolmixError(Exception):
    """Something the user can mend: bad config, bad data, a missing or broken file.

    The message is complete on its own: it names the key or file (and row), the value, and the mend.
    The command line and the job wrapper print it alone, without a traceback. It may quote data and what servers say,
    so characters that steer a terminal are written out.
    """

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(visible(line) for line in message.split("\n")))


def fault(where: object, what: str, hint: str) -> MolmixError:
    """Build a :class:`MolmixError` in the house form: *where*: *what* Hint: *mend*.

    Args:
        where: the config key, or the file (with its row) that is wrong.
        what: what is wrong with it, with the offending value in it.
        hint: what to do about it, as an instruction.
    """
    return MolmixError(f"{where}: {what}\n  Hint: {hint}")


def quoted(value: object) -> str:
    """A value as a message shows it: as YAML and Python write it, cut where it is long or an alias of many aliases."""
    return next((text for plain, text in _YAML.items() if value is plain), None) or _short.repr(value)
