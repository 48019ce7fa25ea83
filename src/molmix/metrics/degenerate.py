"""Flaws of answers that do not depend on their content: empty answers, truncated answers, and loops."""

from __future__ import annotations

from collections.abc import Sequence

FLAWS = ("empty", "cut", "repeated")

TIMES = 3  # repetitions of a loop
LENGTH = 30  # minimum characters of a loop, over all its repetitions


def find_flaws(texts: Sequence[str], finish: Sequence[str]) -> dict[str, list[bool]]:
    """Flaws of each answer.

    Args:
        texts: the answers.
        finish: how each answer ended (see :func:`molmix.generation.generate.generate`).

    Returns:
        For each of :data:`FLAWS`, a list by answer. ``empty``: only white space, although there is an answer (it is not
        ``missing``). ``cut``: it ended at the limit of tokens. ``repeated``: it ends in a loop (:func:`ends_in_loop`).
    """
    return {
        "empty": [not text.strip() and end != "missing" for text, end in zip(texts, finish, strict=True)],
        "cut": [end == "length" for end in finish],
        "repeated": [ends_in_loop(text) for text in texts],
    }


def ends_in_loop(text: str) -> bool:
    """Whether a text ends in a loop, a common error of language models (Holtzman et al. 2020).

    Without white space at the end, its last max(3 p - 1, 30) characters have a period p: each equals the character p
    positions before it. So the last repetition may be incomplete, and the start of the loop does not matter. The
    subtracted character is the blank between two repetitions.
    """
    text = text.rstrip()
    if len(text) < LENGTH:
        return False
    if any(_has_period(text, period) for period in range(1, LENGTH // TIMES + 1)):
        return True
    # Every longer period is the distance to another occurrence of the last characters.
    end = text[-LENGTH // TIMES :]
    last = len(text) - len(end)
    at = text.rfind(end, 0, len(text) - 1)
    while at >= 0 and TIMES * (last - at) - 1 <= len(text):
        if _has_period(text, last - at):
            return True
        at = text.rfind(end, 0, at + len(end) - 1)
    return False


def _has_period(text: str, period: int) -> bool:
    tail = text[-max(TIMES * period - 1, LENGTH) :]
    return tail[period:] == tail[:-period]
