"""The judge's definitions: from what the NLI model said of each pair of atoms to scores of a caption. Pure numpy.

A caption has G generated atoms and its reference R. Their pairs are asked in both directions:

* **forward**, the reference as premise: does it support, or contradict, what the caption says?
* **backward**, the caption as premise: does it cover what the reference says?

All matrices are [G, R] (row: generated atom, column: reference atom), or [..., G, R] for many captions of one shape.

Per caption (:func:`score`):

* ``hallucination``: mean over generated atoms of the *row-wise operation* on contradiction (:data:`OPERATIONS`).
* ``supported``, ``contradicted``, ``unsupported``: shares of the generated atoms, which add up to 1. An atom is
  supported if some reference atom entails it with a probability of at least a half; else contradicted if the row-wise
  operation gives at least a half; else unsupported.
* ``coverage``: mean over reference atoms of the highest entailment by a generated atom.

Where there are no atoms: a caption that says nothing makes no mistakes (``hallucination`` 0, all shares 0) and covers
nothing (``coverage`` 0), so it has to be read beside coverage and ``n_generated``. Against a reference that says
nothing, every atom is unsupported and none contradicted (``hallucination`` 0), and ``coverage`` is undefined: NaN, for
every system alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

THRESHOLD = 0.5  # of a probability: more likely than all else together
COLUMNS = ("hallucination", "supported", "contradicted", "unsupported", "coverage")


@dataclass(frozen=True)
class Cross:
    """What the model said of all pairs of one caption and its reference: four matrices [..., G, R] in [0, 1]."""

    forward_entailment: np.ndarray
    forward_contradiction: np.ndarray
    backward_entailment: np.ndarray
    backward_contradiction: np.ndarray


def _aligned(cross: Cross) -> np.ndarray:
    """Contradiction at the one reference atom that a generated atom is most about.

    That is the one that entails it, if any does (what the reference says is not contradicted by it); else the one with
    which it clashes in both directions. A model that calls unrelated texts contradictions does so less often both ways
    round, and an atom that is plainly supported stays out of its reach: both are what ``max`` suffers from.
    """
    clash = np.minimum(cross.forward_contradiction, cross.backward_contradiction)
    entailed = cross.forward_entailment >= THRESHOLD
    about = np.where(entailed, 1 + cross.forward_entailment, np.maximum(clash, cross.forward_entailment))
    place = about.argmax(axis=-1)[..., None]
    return np.take_along_axis(cross.forward_contradiction, place, axis=-1)[..., 0]


# name -> contradiction of each generated atom [..., G], from matrices with R > 0
OPERATIONS: dict[str, Callable[[Cross], np.ndarray]] = {
    "max": lambda cross: cross.forward_contradiction.max(axis=-1),
    "min": lambda cross: cross.forward_contradiction.min(axis=-1),
    "mean": lambda cross: cross.forward_contradiction.mean(axis=-1),
    "aligned": _aligned,
}


def score(cross: Cross, operation: str) -> dict[str, np.ndarray]:
    """Scores of one caption, or of many of one shape.

    Args:
        cross: matrices [..., G, R]; G and R may be 0.
        operation: a key of :data:`OPERATIONS`.

    Returns:
        An array [...] for each of :data:`COLUMNS`; see the module for what they mean and where there are no atoms.
    """
    *many, generated, reference = cross.forward_entailment.shape
    if not generated or not reference:
        none = np.zeros(many)
        coverage = none if reference else np.full(many, np.nan)
        return dict.fromkeys(COLUMNS, none) | {"unsupported": none + (generated > 0), "coverage": coverage}
    contradiction = OPERATIONS[operation](cross)
    supported = cross.forward_entailment.max(axis=-1) >= THRESHOLD
    contradicted = ~supported & (contradiction >= THRESHOLD)
    return {
        "hallucination": contradiction.mean(axis=-1),
        "supported": supported.mean(axis=-1),
        "contradicted": contradicted.mean(axis=-1),
        "unsupported": (~supported & ~contradicted).mean(axis=-1),
        "coverage": cross.backward_entailment.max(axis=-2).mean(axis=-1),
    }


def judge(pairs: pa.Table, operation: str) -> pa.Table:
    """Scores of all captions of a table that :func:`molmix.nli.run.cross` wrote.

    Captions of one shape are scored together, so that 22,000 of them take a second.

    Args:
        pairs: columns id, n_generated, n_reference and the four lists of float, row-major [generated, reference].
        operation: a key of :data:`OPERATIONS`.

    Returns:
        Columns id, n_generated, n_reference and :data:`COLUMNS`, in the order of the rows.
    """
    shapes = np.stack([pairs[name].to_numpy() for name in ("n_generated", "n_reference")], axis=1)
    starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])
    cells = {name: pairs[name].combine_chunks().flatten().to_numpy() for name in Cross.__dataclass_fields__}
    columns = {name: np.empty(len(shapes)) for name in COLUMNS}
    for shape in np.unique(shapes, axis=0):
        rows = np.flatnonzero((shapes == shape).all(axis=1))
        places = starts[rows, None] + np.arange(shape.prod())
        cross = Cross(**{name: flat[places].reshape(len(rows), *shape) for name, flat in cells.items()})
        for name, values in score(cross, operation).items():
            columns[name][rows] = values
    kept = [pairs.column(name) for name in ("id", "n_generated", "n_reference")]
    return pa.table(kept + list(columns.values()), names=["id", "n_generated", "n_reference", *COLUMNS])
