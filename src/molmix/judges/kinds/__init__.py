"""Judges, one file a kind: how both texts are cut, which NLI model is asked of the pieces, and what its answers score.

To add one, write its file and name its class in :data:`Judge`. A kind is a section of the config with the name of an
NLI model (``nli``), and

* ``reference_units``, ``generated_units``: how the two texts are cut: a key of
  :data:`molmix.judges.decompose.units.UNITS`, or the name of a decomposer of the config;
* ``both_ways``: whether it reads the backward matrices too, the caption as premise;
* ``columns``: what it measures; each score has its better direction in :data:`DIRECTIONS`;
* ``scorer()``: the function from matrices to scores (:data:`molmix.judges.matrices.Scorer`), whatever it needs loaded;
* ``explain()``: how the scores come about, for `molmix explain` and the explorer
  (:class:`molmix.judges.matrices.Explanation`).

Importing this package is cheap, as the config does: numpy and pyarrow are imported where something is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from molmix.judges.kinds.alignscore import AlignScore
from molmix.judges.kinds.atomic import OPERATIONS, Atomic
from molmix.judges.kinds.fulldoc import FullDoc
from molmix.judges.kinds.minicheck import MiniCheck
from molmix.judges.kinds.summac_conv import SummacConv
from molmix.judges.kinds.summac_zs import SummacZS
from molmix.judges.matrices import by_shape

if TYPE_CHECKING:
    import pyarrow as pa

Judge = Annotated[
    Atomic | FullDoc | SummacZS | SummacConv | MiniCheck | AlignScore,
    Field(discriminator="kind"),
]

# Which way is better, of every score.
DIRECTIONS: dict[str, Literal["higher", "lower"]] = {
    "hallucination": "lower",
    "supported": "higher",
    "contradicted": "lower",
    "unsupported": "lower",
    "coverage": "higher",
    "consistency": "higher",
}


def measure(settings: dict[str, Any], pairs: pa.Table) -> pa.Table:
    """Scores of all captions of a table.

    Args:
        settings: of one judge, dumped.
        pairs: what :func:`molmix.judges.nli.inference.cross` wrote of the judge's units: columns id, n_generated,
            n_reference and the four lists of float, row-major [generated, reference].

    Returns:
        Columns id and those of the judge, in the order of the rows.

    Raises:
        MolmixError: a file that the judge needs cannot be used.
    """
    import numpy as np
    import pyarrow as pa

    judge = _parse(settings)
    score = judge.scorer()
    scores = {name: np.empty(len(pairs)) for name in judge.columns if name in DIRECTIONS}
    for rows, cross in by_shape(pairs):
        for name, values in score(cross).items():
            scores[name][rows] = values
    return pa.table({name: scores[name] if name in scores else pairs[name] for name in ("id", *judge.columns)})


def columns(settings: dict[str, Any]) -> tuple[str, ...]:
    """What a judge measures: the columns of :func:`measure` after id.

    Args:
        settings: of one judge, dumped.
    """
    return _parse(settings).columns


def variants(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a judge can measure from one and the same pairs: its settings by row-wise operation, or as they are.

    Args:
        settings: of one judge, dumped.

    Returns:
        Settings by name: of the atomic judge, one for each operation; of any other, its own by the empty name.
    """
    if settings["kind"] != "atomic":
        return {"": settings}
    return {operation: settings | {"operation": operation} for operation in OPERATIONS}


def _parse(settings: dict[str, Any]) -> Judge:
    return TypeAdapter(Judge).validate_python(settings)
