"""Scores of captions with known facts: stated facts, facts of the reference, and true facts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from molmix.metrics import Answers, Metric, Options

if TYPE_CHECKING:
    import pandas as pd

DIRECTION, POSITION = "mol2cap", 30
METRICS = (
    Metric("precision", "higher", "fact precision"),
    Metric("recall", "higher", "fact recall"),
    Metric("f1", "higher", "fact F1", headline=True),
)


def measure(answers: Answers) -> pd.DataFrame | None:
    """Fact scores of captions of the embedded world; None if the true facts are not known."""
    if any(facts is None for facts in (*answers.facts, *answers.truth)):
        return None
    from molmix.data.synthetic.captions import parse

    scores = fact_scores(
        [set(parse(text)) for text in answers.texts],
        [set(facts or ()) for facts in answers.facts],
        [set(truth or ()) for truth in answers.truth],
    )
    # If the reference states no fact, a caption without facts has score 1, but an empty caption has 0.
    scores[[not text.strip() for text in answers.texts]] = 0.0
    return scores


def metrics(options: Options) -> tuple[Metric, ...]:
    """How its columns are shown."""
    return METRICS


def note(options: Options) -> str:
    """Nothing to add: the definition has no variants."""
    return ""


def fact_scores(
    stated: Sequence[AbstractSet[Hashable]],
    reference: Sequence[AbstractSet[Hashable]],
    truth: Sequence[AbstractSet[Hashable]],
) -> pd.DataFrame:
    """Precision and recall of stated facts, one row per caption.

    A caption may state a true fact that its reference omits: that is not an error. So precision uses the true facts,
    and recall the reference.

    Args:
        stated: the facts that each generated caption states.
        reference: the facts that each reference caption states.
        truth: every fact that holds for each molecule.

    Returns:
        ``precision`` (share of the stated facts that are true), ``recall`` (share of the reference's facts
        that are stated) and ``f1`` (their harmonic mean, 0 if both are 0), float64 in [0, 1], never NaN, so that
        means of all systems are over the same rows. A caption that states nothing has precision 0, unless its
        reference states nothing either: then all three are 1. If the reference states nothing, recall is 1.

    Raises:
        ValueError: the lists differ in length.
    """
    import numpy as np
    import pandas as pd

    rows = [_scores(*sets) for sets in zip(stated, reference, truth, strict=True)]
    return pd.DataFrame(np.array(rows, dtype=float).reshape(-1, 3), columns=["precision", "recall", "f1"])


def _scores(
    stated: AbstractSet[Hashable], reference: AbstractSet[Hashable], truth: AbstractSet[Hashable]
) -> tuple[float, float, float]:
    precision = len(stated & truth) / len(stated) if stated else float(not reference)
    recall = len(stated & reference) / len(reference) if reference else 1.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0
