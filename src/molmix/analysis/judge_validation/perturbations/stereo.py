"""Configurations inverted: one label of a name or of a list of stereo labels."""

import re
from collections.abc import Iterator

from molmix.analysis.judge_validation.document import Statement
from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, Replacement, replace_each
from molmix.judges.structure import Structure

# (what stands before, two labels, what stands after)
_LABELS = (
    (r"(?<=[\d(a-z'])(?<![A-Za-z]{2})", "R", "S", r"(?=[,)]| stereoisomer|-(?:stereo|enantio|dia|config|isomer))"),
    (r"(?<=[\d(])", "E", "Z", r"(?=[,)])"),
    (r"(?<![A-Za-z])", "L", "D", r"(?=-[a-z(])"),
    (r"(?<![A-Za-z])", "alpha", "beta", r"(?=-[LD]-|-configuration)"),
    (r"(?<=\d)", "alpha", "beta", r"(?=[,)-]|[a-z]|$)"),
    (r"(?<![A-Za-z])", "cis", "trans", r"(?=-)"),
    (r"(?<=\()", "+", "-", r"(?=\)-)"),
    (r"(?<![A-Za-z])", "R", "S", r"(?=-(?:configuration|enantiomer|isomer))"),
)
_SWAPS = tuple(
    (re.compile(f"{before}{re.escape(old)}{after}"), new)
    for before, one, other, after in _LABELS
    for old, new in ((one, other), (other, one))
)


def find(one: Statement, structure: Structure | None) -> Iterator[Replacement]:
    """Each label with its inverse; none if the molecule has no stereo centre or double bond with a configuration."""
    if structure is not None and not structure.labels:
        return
    for pattern, new in _SWAPS:
        yield from (Replacement(*match.span(), new) for match in pattern.finditer(one.item))


EDIT = Edit("stereo", HARMFUL, replace_each(find), position=14)
