"""The atomic cross-NLI judge's scores of captions; :mod:`molmix.judge` defines them."""

import pandas as pd

from molmix.judge import judge
from molmix.metrics import Answers, Metric, Options

METRICS = (
    Metric("hallucination", "lower", "hallucination"),
    Metric("unsupported", "lower", "unsupported"),
    Metric("coverage", "higher", "coverage"),
)


def measure(answers: Answers) -> pd.DataFrame | None:
    """Scores of every caption; None where no NLI was run."""
    if answers.nli is None:
        return None
    return judge(answers.nli, answers.options.operation).drop_columns("id").to_pandas()


def note(options: Options) -> str:
    """Which row-wise operation makes the hallucination score."""
    return f"Hallucination by the row-wise operation `{options.operation}`."
