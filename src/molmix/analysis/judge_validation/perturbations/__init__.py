"""Planted errors, one file each: the edit of a caption, and whether it is harmful.

To add an edit, add a module to this folder whose ``EDIT`` is an :class:`Edit`. The folder registers it. Modules with a
leading underscore hold shared code.

A dose ``k`` is ``k`` edits of one kind on different statements, at every occurrence of each statement. With the same
draws, a larger dose begins with the edits of the smaller dose. So the effect of one more error on a score does not
depend on the positions of the others.
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
