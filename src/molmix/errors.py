"""The one exception that a person is meant to read."""


class MolmixError(Exception):
    """Something the user can mend: bad config, bad data, a missing or broken file.

    The message is complete on its own: it names the key or file (and row), the value, and the mend.
    The command line and the job wrapper print it alone, without a traceback.
    """


def fault(where: object, what: str, hint: str) -> MolmixError:
    """Build a :class:`MolmixError` in the house form: *where*: *what* Hint: *mend*.

    Args:
        where: the config key, or the file (with its row) that is wrong.
        what: what is wrong with it, with the offending value in it.
        hint: what to do about it, as an instruction.
    """
    return MolmixError(f"{where}: {what}\n  Hint: {hint}")
