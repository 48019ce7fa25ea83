"""Which atoms of a caption and its reference say the same, and the F1 of that: the headline of the judge of atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molmix.judges.matrices import LongerPremises, PairMatrices

if TYPE_CHECKING:
    import numpy as np


def matches(matrices: PairMatrices, threshold: float) -> np.ndarray:
    """How far two atoms say the same: [..., G, R] in [0, 1].

    Each must entail the other: min(e(p -> h), e(h -> p)). A probability of `threshold` or more is a full match, and
    less is its share of `threshold`. So atoms that say the same in other words count as much as identical ones, though
    the model is never certain of them.

    Args:
        matrices: each [..., G, R].
        threshold: in (0, 1]; 1 takes the probabilities as they are.
    """
    import numpy as np

    mutual = np.minimum(matrices.forward_entailment, matrices.backward_entailment)
    return np.minimum(mutual / threshold, 1)


def matched(matrices: PairMatrices, threshold: float, alignment: str) -> tuple[np.ndarray, np.ndarray]:
    """Match of each generated atom [..., G] and of each reference atom [..., R].

    With longer premises, it is the entailment by them, with the same threshold.

    Args:
        matrices: each [..., G, R] with G > 0 and R > 0.
        threshold: see :func:`matches`.
        alignment: ``best``: each atom counts with the best atom of the other text. ``one_to_one``: every atom is
            matched with at most one atom of the other text, such that the sum is largest (Hungarian method).
    """
    import numpy as np

    if isinstance(matrices, LongerPremises):
        return np.minimum(matrices.generated / threshold, 1), np.minimum(matrices.reference / threshold, 1)
    matching = matches(matrices, threshold)
    if alignment == "one_to_one":
        from scipy.optimize import linear_sum_assignment

        kept = np.zeros_like(matching)
        for index in np.ndindex(matching.shape[:-2]):
            pairs = linear_sum_assignment(matching[index], maximize=True)
            kept[index][pairs] = matching[index][pairs]
        matching = kept
    return matching.max(axis=-1), matching.max(axis=-2)


def f1(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Harmonic mean; 0 if both are 0."""
    import numpy as np

    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)


def score_matches(matrices: PairMatrices, *, threshold: float, alignment: str) -> dict[str, np.ndarray]:
    """F1, precision and recall of one caption, or of many of one shape.

    Args:
        matrices: each [..., G, R]; G and R may be 0.
        threshold, alignment: see :func:`matches` and :func:`matched`.

    Returns:
        ``atomic_f1``, ``atomic_precision``, ``atomic_recall``: arrays [...]. A caption without atoms has recall and F1
        0, and no precision (NaN). Against a reference without atoms, all three are NaN.
    """
    import numpy as np

    *many, generated, reference = matrices.forward_entailment.shape
    if not generated or not reference:
        zero, undefined = np.full(many, 0.0 if reference else np.nan), np.full(many, np.nan)
        return {"atomic_f1": zero, "atomic_precision": undefined, "atomic_recall": zero}
    precision, recall = (terms.mean(axis=-1) for terms in matched(matrices, threshold, alignment))
    return {"atomic_f1": f1(precision, recall), "atomic_precision": precision, "atomic_recall": recall}
