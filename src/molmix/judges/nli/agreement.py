"""How far an engine and a number format change the answers of an NLI model: its agreement with PyTorch in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE = 128  # pairs that are compared: a share of changed labels of .02 is seen with a probability of .92
# Largest difference of a probability with which an engine counts as exact. Rounding in float32 makes about 1e-6 to
# 1e-5 of it, and no score shows a difference of 1e-4.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Agreement:
    """Agreement of an engine in a number format with PyTorch in float32.

    Attributes:
        engine, dtype: what was compared.
        pairs: number of pairs that were asked.
        largest: largest difference of a probability of entailment, contradiction or neither.
        changed: share of the pairs whose most probable label is another one.
    """

    engine: str
    dtype: str
    pairs: int
    largest: float
    changed: float

    @property
    def is_exact(self) -> bool:
        """Whether the answers are equal, within :data:`TOLERANCE`."""
        return self.largest <= TOLERANCE

    def describe(self) -> str:
        """It in one line."""
        return (
            f"computed by {self.engine} in {self.dtype}: on {self.pairs} pairs, probabilities differ from float32 "
            f"(torch) by at most {self.largest:.1g}, and {100 * self.changed:.1f} % of the labels change"
        )


EXACT = Agreement("torch", "float32", 0, 0.0, 0.0)


def compare(engine: str, dtype: str, values: np.ndarray, exact: np.ndarray) -> Agreement:
    """Compare two models' answers.

    Args:
        engine, dtype: of the first one.
        values, exact: answers for the same pairs, at least one, :data:`molmix.judges.nli.cache.VALUE` [n].
    """
    own, other = map(_probabilities, (values, exact))
    changed = (own.argmax(axis=1) != other.argmax(axis=1)).mean()
    return Agreement(engine, dtype, len(own), round(float(np.abs(own - other).max()), 6), round(float(changed), 4))


def sample(count: int) -> np.ndarray:
    """Indices of at most :data:`SAMPLE` of `count` pairs, at equal distances."""
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(int))


def _probabilities(values: np.ndarray) -> np.ndarray:
    entailment, contradiction = values["entailment"].astype(float), values["contradiction"].astype(float)
    return np.stack([entailment, contradiction, 1 - entailment - contradiction], axis=1)
