"""Holm's correction of many p (Holm 1979, Scand. J. Statist. 6:65), which holds whatever depends on what."""

import numpy as np


def holm(p: np.ndarray, hypotheses: int | None = None) -> np.ndarray:
    """Correct the p of one family of hypotheses: at any level, the chance of even one false rejection is below it.

    Args:
        p: array (n,); NaN where there was nothing to test, which belongs to no family.
        hypotheses: size of the family where only some of it is at hand, such as the comparisons with the best of
            all pairs; default: the p that are not NaN. A p at hand ranks no lower among all than among these, so its
            factor here is no smaller than Holm's over all.

    Returns:
        Array (n,): the smallest level at which each is rejected, at most 1; NaN where p is NaN.
    """
    tested = np.flatnonzero(~np.isnan(p))
    corrected = np.full(len(p), np.nan)
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = (len(tested) if hypotheses is None else hypotheses) - np.arange(len(tested))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return corrected
