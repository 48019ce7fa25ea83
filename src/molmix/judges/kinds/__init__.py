"""Judges, one file per kind. A kind defines how both texts are cut, its NLI model, and the scores.

To add a kind, add a file to this folder with one subclass of :class:`NliJudge`, or of :class:`VerdictJudge` if it asks
no NLI model. It states all facts about the kind that the rest of molmix needs. Importing this package is cheap, because
the config imports it: numpy and pyarrow are imported only when something is judged.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from molmix.core import plugins
from molmix.judges.kinds._judge import JudgeSettings, NliJudge, Score, VerdictJudge

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DIRECTIONS",
    "KINDS",
    "Judge",
    "JudgeSettings",
    "NliJudge",
    "Score",
    "VerdictJudge",
    "parse_judge",
    "score_captions",
    "titles",
]

KINDS = plugins.classes(sys.modules[__name__], JudgeSettings)
Judge = plugins.union(list(KINDS.values()), "kind")

# Whether higher or lower is better, for every score. Scores that can have plain columns come first.
DIRECTIONS: dict[str, Literal["higher", "lower"]] = {
    score.column: score.better
    for kind in sorted(KINDS.values(), key=lambda kind: not kind.plain_columns)
    for score in kind.scores
}


def parse_judge(settings: JudgeSettings | dict[str, Any]) -> JudgeSettings:
    """The judge of its settings (dumped or not)."""
    return _adapter().validate_python(settings)


@cache
def _adapter() -> TypeAdapter[JudgeSettings]:
    """Making it takes 5 ms."""
    return TypeAdapter(Judge)


def titles(judges: Mapping[str, JudgeSettings] | Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Titles of judges in tables that compare judges, by name.

    Args:
        judges: settings of each by name, dumped or not.
    """
    own = {name: parse_judge(settings).title for name, settings in judges.items()}
    several = {title for title, number in Counter(own.values()).items() if number > 1}
    return {name: f"{title}: {name}" if title and title in several else title or name for name, title in own.items()}


def score_captions(settings: dict[str, Any], table: pa.Table) -> pa.Table:
    """Scores of all captions of a table.

    Args:
        settings: of one judge, dumped.
        table: of the judge's stage, for its units: that of :func:`molmix.judges.nli.inference.predict_tables` or of
            :func:`molmix.judges.verdicts.write_verdicts`.

    Returns:
        Columns id and those of the judge, in the order of the rows. An undefined score is NaN.

    Raises:
        MolmixError: a file that the judge needs cannot be used.
    """
    import pyarrow as pa

    judge = parse_judge(settings)
    scores = judge.score_table(table)
    return pa.table({name: scores[name] if name in scores else table[name] for name in ("id", *judge.columns)})
