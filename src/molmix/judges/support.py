"""The score that three of the judges share: the best support of each claim, on average."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molmix.judges.matrices import MOST_ENTAILED, Cross, Explanation

if TYPE_CHECKING:
    import numpy as np


def support(cross: Cross) -> dict[str, np.ndarray]:
    """Mean over generated units of the highest entailment by a reference unit.

    Args:
        cross: matrices [..., G, R]. Where G or R is 0, nothing is supported: the score is 0.

    Returns:
        ``consistency``, an array [...] in [0, 1].
    """
    return {"consistency": cross.or_zeros().forward_entailment.max(axis=-1).mean(axis=-1)}


def explain_support(cross: Cross) -> Explanation:
    """How :func:`support` comes about."""
    entailment = cross.forward_entailment
    return Explanation(
        deciding={MOST_ENTAILED: entailment.argmax(axis=-1)},
        terms={"consistency": (entailment.max(axis=-1), "highest entailment of the units")},
    )
