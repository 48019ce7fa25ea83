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


# The scores of one caption, or of many of one shape: an array [...] for each name, from matrices [..., G, R].
Scorer = Callable[[PairMatrices], "dict[str, np.ndarray]"]


def by_shape(pairs: pa.Table) -> Iterator[tuple[np.ndarray, PairMatrices]]:
    """Group captions by shape, so that 22,000 of them are scored in a second.

    Args:
        pairs: table of :func:`molmix.judges.nli.inference.predict_tables`: columns n_generated, n_reference and the
            four lists of float, row-major [generated, reference].

    Yields:
        Row numbers of n captions, int64 [n], and their matrices [n, G, R]; every row once.
    """
    import numpy as np

    shapes = np.stack([pairs[name].to_numpy() for name in ("n_generated", "n_reference")], axis=1)
    starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])
    cells = {name: pairs[name].combine_chunks().flatten().to_numpy() for name in PairMatrices.__dataclass_fields__}
    for shape in np.unique(shapes, axis=0):
        rows = np.flatnonzero((shapes == shape).all(axis=1))
        indices = starts[rows, None] + np.arange(shape.prod())
        yield rows, PairMatrices(**{name: flat[indices].reshape(len(rows), *shape) for name, flat in cells.items()})
