"""Planted errors, one file each: what it does to a caption, and whether that does harm.

To add one, write its file here: a module whose ``EDIT`` is an :class:`Edit`. It registers by being in this folder; what
the modules share is in those whose name begins with an underscore.

A dose ``k`` is ``k`` edits of one kind on different statements, each wherever the caption makes it. With the same draws
a larger dose begins with the edits of the smaller one, so that what a score makes of the next error is not mixed with
where it happens to stand.
"""

import sys

from molmix.analysis.judge_validation.perturbations._edit import CONTROL, HARMFUL, HARMLESS, Edit, Ground
from molmix.core.plugins import modules

__all__ = ["CONTROL", "EDITS", "HARMFUL", "HARMLESS", "Edit", "Ground"]

# By name, in the order of tables: the control, the harmful ones, the harmless ones.
EDITS: dict[str, Edit] = {
    edit.name: edit
    for edit in sorted(
        (module.EDIT for module in modules(sys.modules[__name__]).values()),
        key=lambda edit: ((CONTROL, HARMFUL, HARMLESS).index(edit.kind), edit.position, edit.name),
    )
}
