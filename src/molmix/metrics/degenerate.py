"""Answers that went wrong whatever they are about: empty ones, ones that were cut, ones that repeat themselves."""

from __future__ import annotations

from collections.abc import Sequence

FLAWS = ("empty", "cut", "repeated")

TIMES = 3  # how often a loop stands one after the other
LENGTH = 30  # characters of a loop, all its repetitions together, at least


def find_flaws(texts: Sequence[str], finish: Sequence[str]) -> dict[str, list[bool]]:
    """What went wrong with each answer.

    Args:
        texts: what was written.
        finish: how each answer ended (see :func:`molmix.generation.generate.generate`).

    Returns:
        For each of :data:`FLAWS` a list by answer. ``empty``: nothing but white space, where there is an answer at all
        (not ``missing``). ``cut``: it ended at the limit of tokens. ``repeated``: it ends in a loop
        (:func:`ends_in_loop`).
    """
    return {
        "empty": [not text.strip() and end != "missing" for text, end in zip(texts, finish, strict=True)],
        "cut": [end == "length" for end in finish],
        "repeated": [ends_in_loop(text) for text in texts],
    }


def ends_in_loop(text: str) -> bool:
    """Whether a text ends in a loop, as models without a way out write them (Holtzman et al. 2020).

    White space at the end aside, its last max(3 p - 1, 30) characters have a period p: each equals the one p characters
    before it. So the last repetition may be cut anywhere, and it does not matter where the loop began; the missing
    character is the blank between two repetitions.
    """
    text = text.rstrip()
    if len(text) < LENGTH:
        return False
    if any(_has_period(text, period) for period in range(1, LENGTH // TIMES + 1)):
        return True
    # Any longer period is the distance to another occurrence of the last characters.
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
