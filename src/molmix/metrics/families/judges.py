"""Scores of captions by NLI judges; :mod:`molmix.judges.kinds` defines them.

The first judge of kind `atomic` gives the plain columns (`hallucination`, `coverage`, …), any other one columns that
begin with its name (`summac.consistency`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from molmix.judges.kinds import DIRECTIONS, Judge
from molmix.judges.kinds import measure as judge
from molmix.metrics import Answers, Metric, Options

SHOWN = ("hallucination", "unsupported", "coverage", "consistency")
HEADLINES = ("hallucination", "coverage", "consistency")  # of the judge with the plain columns, or of all without one


def metrics(options: Options) -> tuple[Metric, ...]:
    """How the scores that people compare are shown, judge by judge."""
    named = prefixes(options.judges)
    return tuple(
        Metric(
            f"{prefix}{column}",
            DIRECTIONS[column],
            f"{prefix.removesuffix('.')} {column}".strip(),
            headline=column in HEADLINES and (not prefix or "" not in named.values()),
        )
        for name, prefix in named.items()
        for column in SHOWN
        if column in TypeAdapter(Judge).validate_python(options.judges[name]).columns
    )


def measure(answers: Answers) -> pd.DataFrame | None:
    """Scores of every caption by every judge; None where no NLI was run."""
    judges = answers.options.judges
    frames = [
        judge(judges[name], answers.nli[name]).drop_columns("id").to_pandas().add_prefix(prefix)
        for name, prefix in prefixes(judges).items()
        if name in answers.nli
    ]
    return pd.concat(frames, axis=1) if frames else None


def note(options: Options) -> str:
    """Who the judges are."""
    return " ".join(_who(name, judge) for name, judge in options.judges.items())


def prefixes(judges: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """What the columns of each judge begin with."""
    plain = next((name for name, judge in judges.items() if judge["kind"] == "atomic"), None)
    return {name: "" if name == plain else f"{name}." for name in judges}


def _who(name: str, judge: dict[str, Any]) -> str:
    if judge["kind"] != "atomic":
        return f"Judge `{name}`: {judge['kind']} by the NLI model `{judge['nli']}`."
    return (
        f"Judge `{name}`: atoms by `{judge['decomposer']}`, NLI model `{judge['nli']}`, hallucination by the row-wise "
        f"operation `{judge['operation']}`."
    )
