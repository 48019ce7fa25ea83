"""The NLI model's probabilities for all pairs of a caption's units and its reference's units, as matrices.

A caption has G generated units and its reference has R units: atoms, sentences, or whole texts. The model is asked
about their pairs in both directions:

* **forward**, the reference as premise: does it support or contradict the caption?
* **backward**, the caption as premise: does it cover the reference?

All matrices are [G, R] (row: generated unit, column: reference unit), or [..., G, R] for many captions of one shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class PairMatrices:
    """Probabilities for all pairs of one caption and its reference: four matrices [..., G, R] in [0, 1]."""

    forward_entailment: np.ndarray
    forward_contradiction: np.ndarray
    backward_entailment: np.ndarray
    backward_contradiction: np.ndarray

    @property
    def generated_support(self) -> np.ndarray:
        """How far the reference entails each generated unit: by its one unit that entails it most [..., G]."""
        return self.forward_entailment.max(axis=-1)

    @property
    def reference_support(self) -> np.ndarray:
        """How far the caption entails each reference unit [..., R]."""
        return self.backward_entailment.max(axis=-2)

    def or_zeros(self) -> PairMatrices:
        """These matrices; if one of the texts has no units, zeros [..., 1, 1]: one pair of probability 0.

        SummaC's code does the same (``SummaCImager.build_image``). So scores that need G > 0 and R > 0 are defined
        there too: they are those of a caption without any support.
        """
        import numpy as np

        *many, generated, reference = self.forward_entailment.shape
        if generated and reference:
            return self
        zeros = np.zeros((*many, 1, 1))
        return PairMatrices(zeros, zeros, zeros, zeros)


@dataclass(frozen=True)
class LongerPremises(PairMatrices):
    """Matrices, and how far units are entailed by several units of the other text together.

    Attributes:
        generated, reference: entailment of each unit by such a premise [..., G] and [..., R]; see
            :mod:`molmix.judges.nli.premises`.
    """

    generated: np.ndarray
    reference: np.ndarray

    @property
    def generated_support(self) -> np.ndarray:
        """Entailment of each generated unit by the longer premise [..., G]."""
        return self.generated

    @property
    def reference_support(self) -> np.ndarray:
        """Entailment of each reference unit by the longer premise [..., R]."""
        return self.reference


MOST_ENTAILED, MATCHED = "entailed most by", "matched best by"


@dataclass(frozen=True)
class Explanation:
    """How a judge computes the scores of one caption, or of many of one shape, from matrices with G > 0 and R > 0.

    Attributes:
        deciding: by reason, such as :data:`MOST_ENTAILED`, the index of the reference unit that decides about each
            generated unit, int64 [..., G].
        terms: by score, the numbers whose mean is the score ([..., G] or [..., R]), and their description. A score that
            is not a mean is left out.
        formulas: by score that is not a mean, how it is computed from the others.
        verdicts: for each generated unit, supported, contradicted or unsupported [..., G]; None if the judge has none.
        covered: for each reference unit, covered or missed [..., R]; None if the judge has no verdicts.
        note: a sentence that explains the numbers; may be empty.
    """

    deciding: dict[str, np.ndarray]
    terms: dict[str, tuple[np.ndarray, str]] = field(default_factory=dict)
    formulas: dict[str, str] = field(default_factory=dict)
    verdicts: np.ndarray | None = None
    covered: np.ndarray | None = None
    note: str = ""


SUPPORTS = ("generated_support", "reference_support")  # columns of a table with longer premises
_LISTS = {*PairMatrices.__dataclass_fields__, *SUPPORTS}

# The scores of one caption, or of many of one shape: an array [...] for each name, from matrices [..., G, R].
Scorer = Callable[[PairMatrices], "dict[str, np.ndarray]"]


def by_shape(pairs: pa.Table) -> Iterator[tuple[np.ndarray, PairMatrices]]:
    """Group captions by shape, so that 22,000 of them are scored in a second.

    Args:
        pairs: table of :func:`molmix.judges.nli.inference.predict_tables`: columns n_generated, n_reference and the
            four lists of float, row-major [generated, reference]; may have the two columns of longer premises.

    Yields:
        Row numbers of n captions, int64 [n], and their matrices [n, G, R]; every row once.
    """
    import numpy as np

    shapes = np.stack([pairs[name].to_numpy() for name in ("n_generated", "n_reference")], axis=1)
    starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])
    flat = {name: pairs[name].combine_chunks().flatten().to_numpy() for name in pairs.column_names if name in _LISTS}
    units = {name: np.cumsum(shapes[:, side]) - shapes[:, side] for side, name in enumerate(SUPPORTS)}
    for shape in np.unique(shapes, axis=0):
        rows = np.flatnonzero((shapes == shape).all(axis=1))
        cells = starts[rows, None] + np.arange(shape.prod())
        matrices = [flat[name][cells].reshape(len(rows), *shape) for name in PairMatrices.__dataclass_fields__]
        supports = [
            flat[name][units[name][rows, None] + np.arange(size)]
            for name, size in zip(SUPPORTS, shape, strict=True)
            if name in flat
        ]
        yield rows, LongerPremises(*matrices, *supports) if supports else PairMatrices(*matrices)
