"""Scores of captions by NLI judges; :mod:`molmix.judges.kinds` defines them.

The first judge of a kind with plain columns (`atomic`) has its scores there (`hallucination`, `coverage`, …); the
columns of any other begin with its name (`summac.consistency`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from molmix.judges.kinds import parse_judge, score_captions, titles
from molmix.metrics import Answers, Metric, Options

if TYPE_CHECKING:
    import pandas as pd

DIRECTION, POSITION = "mol2cap", 10


def metrics(options: Options) -> tuple[Metric, ...]:
    """How the scores that people compare are shown, judge by judge."""
    named, shown = prefixes(options.judges), titles(options.judges)
    return tuple(
        Metric(
            f"{prefix}{score.column}",
            score.better,
            f"{shown[name]} {score.column}" if prefix else score.column,
            # Of the judge with the plain columns, or of all where none has them.
            headline=score.headline and (not prefix or "" not in named.values()),
        )
        for name, prefix in named.items()
        for score in parse_judge(options.judges[name]).scores
        if score.shown
    )


def measure(answers: Answers) -> pd.DataFrame | None:
    """Scores of every caption by every judge; None where no NLI was run."""
    import pandas as pd

    judges = answers.options.judges
    frames = [
        score_captions(judges[name], answers.nli[name]).drop_columns("id").to_pandas().add_prefix(prefix)
        for name, prefix in prefixes(judges).items()
        if name in answers.nli
    ]
    return pd.concat(frames, axis=1) if frames else None


def note(options: Options) -> str:
    """Who the judges are."""
    return " ".join(f"Judge `{name}`: {parse_judge(judge).describe()}." for name, judge in options.judges.items())


def prefixes(judges: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """What the columns of each judge begin with."""
    plain = next((name for name, judge in judges.items() if parse_judge(judge).plain_columns), None)
    return {name: "" if name == plain else f"{name}." for name in judges}
