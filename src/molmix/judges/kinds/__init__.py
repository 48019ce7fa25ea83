"""Judges, one file a kind: how both texts are cut, which NLI model is asked of the pieces, and what its answers score.

To add one, put its file into this folder: one subclass of :class:`molmix.judges.kinds._judge.JudgeSettings`, which says
everything that the rest of molmix must know of it. Importing this package is cheap, as the config does: numpy and
pyarrow are imported where something is judged.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from molmix.core import plugins
from molmix.judges.kinds._judge import JudgeSettings, Score
from molmix.judges.matrices import by_shape

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DIRECTIONS", "KINDS", "Judge", "JudgeSettings", "Score", "parse_judge", "score_captions", "titles"]

KINDS = plugins.classes(sys.modules[__name__], JudgeSettings)
Judge = plugins.union(list(KINDS.values()), "kind")

# Which way is better, of every score: those that can have plain columns first.
DIRECTIONS: dict[str, Literal["higher", "lower"]] = {
    score.column: score.better
    for kind in sorted(KINDS.values(), key=lambda kind: not kind.plain_columns)
    for score in kind.scores
}


def parse_judge(settings: JudgeSettings | dict[str, Any]) -> JudgeSettings:
    """The judge of some settings, dumped."""
    return TypeAdapter(Judge).validate_python(settings)


def titles(judges: Mapping[str, JudgeSettings] | Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """What each judge is called in tables that compare judges, by its name.

    Args:
        judges: settings of each by name, as they are or dumped.
    """
    own = {name: parse_judge(settings).title for name, settings in judges.items()}
    several = {title for title, number in Counter(own.values()).items() if number > 1}
    return {name: f"{title}: {name}" if title and title in several else title or name for name, title in own.items()}


def score_captions(settings: dict[str, Any], pairs: pa.Table) -> pa.Table:
    """Scores of all captions of a table.

    Args:
        settings: of one judge, dumped.
        pairs: what :func:`molmix.judges.nli.inference.predict_tables` wrote of the judge's units: columns id,
            n_generated, n_reference and the four lists of float, row-major [generated, reference].

    Returns:
        Columns id and those of the judge, in the order of the rows. A score is NaN where it is not defined.

    Raises:
        MolmixError: a file that the judge needs cannot be used.
    """
    import numpy as np
    import pyarrow as pa

    judge = parse_judge(settings)
    score = judge.scorer()
    scores = {own.column: np.empty(len(pairs)) for own in judge.scores}
    for rows, matrices in by_shape(pairs):
        for name, values in score(matrices).items():
            scores[name][rows] = values
    return pa.table({name: scores[name] if name in scores else pairs[name] for name in ("id", *judge.columns)})
