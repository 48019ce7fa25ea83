"""Holm's correction of many p (Holm 1979, Scand. J. Statist. 6:65), valid under any dependence."""

import numpy as np


def holm(p: np.ndarray, hypotheses: int | None = None) -> np.ndarray:
    """Correct the p of one family of hypotheses, to control the probability of at least one false rejection.

    Args:
        p: array (n,); NaN for a hypothesis that was not tested, which does not count in the family.
        hypotheses: size of the family if `p` is only a part of it, such as the comparisons with the best among all
            pairs; default: the number of p that are not NaN. The rank of a p among all is never lower than among this
            part, so its factor here is never smaller than Holm's factor over all.

    Returns:
        Array (n,): the smallest level at which each is rejected, at most 1; NaN where p is NaN.
    """
    tested = np.flatnonzero(~np.isnan(p))
    corrected = np.full(len(p), np.nan)
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = (len(tested) if hypotheses is None else hypotheses) - np.arange(len(tested))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return corrected
