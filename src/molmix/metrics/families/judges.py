"""Scores of captions by judges; :mod:`molmix.judges.kinds` defines them.

The first judge of a kind with plain columns (`atomic`) has columns without a prefix (`atomic_f1`, `hallucination`, …).
The columns of all other judges begin with their name (`summac.consistency`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from molmix.judges.kinds import parse_judge, score_captions, titles
from molmix.metrics import Answers, Metric, Options

if TYPE_CHECKING:
    import pandas as pd

DIRECTION, POSITION = "mol2cap", 10
FROM_TABLES = True
FALLBACK = "fallback"  # column: `rules` made units because the decomposer's answer could not be used


def metrics(options: Options) -> tuple[Metric, ...]:
    """How the scores are shown, judge by judge."""
    named, shown = prefixes(options.judges), titles(options.judges)
    return tuple(
        Metric(
            f"{prefix}{score.column}",
            score.better,
            " ".join(filter(None, (prefix and shown[name], score.title or score.column))),
            # For the judge with the plain columns, or for all judges if none has them.
            headline=score.headline and (not prefix or "" not in named.values()),
            shown=score.shown,
        )
        for name, prefix in named.items()
        for score in parse_judge(options.judges[name]).scores
    )


def measure(answers: Answers) -> pd.DataFrame | None:
    """Scores of every caption by every judge, and whether `rules` made its units; None if no judge was run."""
    import pandas as pd

    judges, frames = answers.options.judges, []
    for name, prefix in prefixes(judges).items():
        if name in answers.judged:
            table = answers.judged[name]
            scores = score_captions(judges[name], table).drop_columns("id").to_pandas()
            # A judge of sentences has no decomposer to fall back from; tables of earlier versions lack the column.
            if parse_judge(judges[name]).decomposed_by and FALLBACK in table.column_names:
                scores[FALLBACK] = table[FALLBACK].to_numpy()
            frames.append(scores.add_prefix(prefix))
    return pd.concat(frames, axis=1) if frames else None


def note(options: Options) -> str:
    """Descriptions of the judges."""
    return " ".join(f"Judge `{name}`: {parse_judge(judge).describe()}." for name, judge in options.judges.items())


def count_fallback(frame: pd.DataFrame) -> dict[str, int]:
    """By judge ("" for the one with the plain columns), the number of captions with units that `rules` made.

    These are units of the caption or of its reference, if the decomposer's answer could not be used. Scores of earlier
    versions lack this column.

    Args:
        frame: a model's scores of one test set.
    """
    columns = [column for column in map(str, frame) if column == FALLBACK or column.endswith(f".{FALLBACK}")]
    return {column.removesuffix(FALLBACK).removesuffix("."): int(frame[column].sum()) for column in columns}


def prefixes(judges: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Prefix of the columns of each judge."""
    plain = next((name for name, judge in judges.items() if parse_judge(judge).plain_columns), None)
    return {name: "" if name == plain else f"{name}." for name in judges}
