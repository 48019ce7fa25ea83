"""Rewards of sampled captions: a weighted sum of terms, each a metric of the scores or one of :data:`FORM`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from molmix.core.errors import fault
from molmix.core.files import file_digest, read_json
from molmix.core.schema import Number
from molmix.metrics import Options
from molmix.metrics.scorer import check_columns, scorable

if TYPE_CHECKING:
    import numpy as np

    from molmix.metrics.scorer import CaptionScorer, Row


def _length(caption: str, reference: str) -> float:
    said, due = len(caption.split()), max(1, len(reference.split()))
    return min(1.0, abs(said - due) / due)


def _repetition(caption: str, _: str) -> float:
    words = caption.lower().split()
    threes = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(threes)) / len(threes) if threes else 0.0


# Terms that do not read what a caption says, each from a caption and a reference, in [0, 1], 0 at best. Of several
# references, the best counts.
# `length`: difference of their numbers of words, as a share of the reference's, at most 1. `repetition`: share of the
# caption's three-word sequences that it has said before. `empty`: 1 if it is empty.
FORM: dict[str, Callable[[str, str], float]] = {
    "length": _length,
    "repetition": _repetition,
    "empty": lambda caption, _: float(not caption.strip()),
}


Weights = dict[str, Annotated[Number, Field(ge=-1000, le=1000)]]  # of the terms of a reward


def check_reward(weights: Mapping[str, float], options: Options, *, knows_facts: bool, key: str) -> None:
    """Refuse terms that do not exist, and weights that reward nothing, or reward what is worse.

    Args:
        weights: weight of each term.
        options, knows_facts: of :func:`molmix.metrics.scorer.scorable`.
        key: config key of the weights.

    Raises:
        MolmixError: there is no such term, all weights are 0, or a weight has the wrong sign.
    """
    check_columns(weights, options, knows_facts=knows_facts, key=key, others=FORM)
    metrics = scorable(options, knows_facts=knows_facts)
    if not any(weights.values()):
        raise fault(key, f"{dict(weights)} has no weight other than 0, so every caption is as good", "give a weight")
    for name, weight in weights.items():
        lower = name in FORM or metrics[name].better == "lower"
        if weight and lower != (weight < 0):
            what = f"{weight:g} rewards a worse caption: {'lower' if lower else 'higher'} is better"
            raise fault(f"{key}.{name}", what, f"give {-weight:g}")


class Rewards:
    """The terms of a reward.

    Args:
        weights: weight of each term.
        scorer: scores captions by the terms that are metrics.

    Attributes:
        weights, scorer: as given.
        seconds: time that all calls of :meth:`terms` have taken.
    """

    def __init__(self, weights: Mapping[str, float], scorer: CaptionScorer) -> None:
        self.weights, self.scorer = dict(weights), scorer
        self.seconds = 0.0

    def terms(self, captions: Sequence[str], rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """The value of every term for each caption.

        A score that is not defined, such as the hallucination of an empty caption, counts as the worst value: 0, or 1
        if lower is better. Else a policy could avoid a bad score by writing captions without one.

        Args:
            captions: n texts.
            rows: the molecule of each caption, as :func:`molmix.data.corpus.read_molecules` gives it.

        Returns:
            By term, float64 [n].
        """
        import numpy as np

        begun = time.perf_counter()
        scores = self.scorer.scores(captions, rows, self.weights.keys() - FORM.keys())
        found = {}
        for name in self.weights:
            if name in FORM:
                pairs = zip(captions, rows, strict=True)
                found[name] = np.array([min(FORM[name](said, due) for due in row["references"]) for said, row in pairs])
            else:
                worst = 0.0 if self.scorer.columns[name] == "higher" else 1.0
                found[name] = np.nan_to_num(scores[name].to_numpy(dtype=float), nan=worst)
        self.seconds += time.perf_counter() - begun
        return found

    def total(self, terms: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reward of each caption: the weighted sum of its terms, float64 [n]."""
        return sum(weight * terms[name] for name, weight in self.weights.items())  # type: ignore[return-value]


@dataclass(frozen=True)
class Scoring:
    """How the captions of a training are scored.

    Attributes:
        scorer: computes their metrics.
        molecules: of each split, with all their captions (:func:`molmix.data.corpus.read_molecules`).
        inputs: checksums of the tables of the corpus, and of the weights of the NLI models.
    """

    scorer: CaptionScorer
    molecules: dict[str, list[Row]]
    inputs: dict[str, str]

    @staticmethod
    def of(settings: Mapping[str, Any], corpus: Mapping[str, Path], nli: Mapping[str, Path], store: Path) -> Scoring:
        """The arguments are those of :func:`molmix.align.training.align`."""
        from molmix.data.corpus import read_molecules
        from molmix.metrics.scorer import CaptionScorer

        molecules = {split: read_molecules(path) for split, path in corpus.items()}
        inputs = {f"corpus.{split}": file_digest(path) for split, path in corpus.items()}
        inputs |= {f"nli.{name}": read_json(path)["weights"]["digest"] for name, path in nli.items()}
        return Scoring(CaptionScorer(settings["scorer"], nli, store), molecules, inputs)

    @property
    def numbers(self) -> dict[tuple[str, str], int]:
        """The number of the molecule of each row of the corpus, by its split and its id."""
        return {
            (split, name): number
            for split, molecules in self.molecules.items()
            for number, molecule in enumerate(molecules)
            for name in molecule["ids"]
        }

    def parts(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Further arguments of the trainer of a method that learns from rewards; empty for other methods."""
        if "reward" not in settings:
            return {}
        return {"rewards": Rewards(settings["reward"], self.scorer), "molecules": self.molecules["train"]}
