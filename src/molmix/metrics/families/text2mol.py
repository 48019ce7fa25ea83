"""Text2Mol (Edwards et al. 2021): similarity of a caption and its molecule, from
:mod:`molmix.metrics.text2mol_model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molmix.metrics import Answers, Metric, Options

if TYPE_CHECKING:
    import pandas as pd

DIRECTION, POSITION = "mol2cap", 50
FROM_TABLES = True
METRICS = (
    Metric("text2mol", "higher", "Text2Mol", headline=True),
    Metric("text2mol_covered", "higher", "covered by Text2Mol"),
)


def metrics(options: Options) -> tuple[Metric, ...]:
    """How its columns are shown."""
    return METRICS


def measure(answers: Answers) -> pd.DataFrame | None:
    """``text2mol``: cosine in [-1, 1], NaN if the molecule has no features; ``text2mol_covered``: 1 if it has.

    An empty caption has 0. The published script uses the embedding of an empty text, which may be near a molecule's.
    The result is None if Text2Mol was not measured.
    """
    import numpy as np
    import pandas as pd

    if answers.text2mol is None:
        return None
    similarity = answers.text2mol["text2mol"].to_numpy().astype(float)
    covered = ~np.isnan(similarity)
    similarity[covered & [not text.strip() for text in answers.texts]] = 0.0
    return pd.DataFrame({"text2mol": similarity, "text2mol_covered": covered.astype(float)})


def note(options: Options) -> str:
    """The molecules that Text2Mol leaves out."""
    return "Text2Mol: the mean over the molecules that have mol2vec features; the share of them stands beside it."
