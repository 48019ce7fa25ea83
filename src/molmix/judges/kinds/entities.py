"""The chemical names of a caption against those of its references, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from molmix.judges.kinds._judge import CaptionVerdicts, JudgedCaption, Score, VerdictJudge


class Entities(VerdictJudge):
    """Precision and recall of chemical names (:func:`molmix.judges.decompose.chemical_names.chemical_names`).

    * ``entity_precision``: share of the names of the caption that a reference has too.
    * ``entity_recall``: share of the names of the references that the caption has too.
    * ``entity_f1``: their harmonic mean.

    Names are equal if they are the same text, in lower case and without plural. Without names in the caption, precision
    is not defined (NaN) and recall is 0. Without names in the references, recall is not defined. F1 is 0 if one of the
    two is 0, else not defined if one of them is not.

    The idea is that of CHARM and RCHARM (arXiv 2601.12256: 1 - precision and 1 - recall) and of Mol-Hallu (arXiv
    2504.12314). Their lists of entities are others, so their values are, too.
    """

    kind: Literal["entities"]

    units: ClassVar[tuple[str, str]] = ("entities", "entities")
    scores: ClassVar[tuple[Score, ...]] = (
        Score("entity_precision", "higher", headline=False),
        Score("entity_recall", "higher", headline=False),
        Score("entity_f1", "higher"),
    )

    def describe(self) -> str:
        """Description of the judge."""
        return "chemical names of the caption against those of the reference"

    def judge(self, captions: Sequence[JudgedCaption], cache: Path) -> list[CaptionVerdicts]:
        """Whether the other side has each name, too."""
        return [
            CaptionVerdicts(
                ["supported" if name in one.reference else "unsupported" for name in one.generated],
                [""] * len(one.generated),
                ["covered" if name in one.generated else "missed" for name in one.reference],
            )
            for one in captions
        ]

    def score(self, generated: Counter[str], covered: Counter[str]) -> dict[str, float]:
        """See the class."""
        precision = generated["supported"] / generated.total() if generated else float("nan")
        recall = covered["covered"] / covered.total() if covered else float("nan")
        f1 = 0.0 if 0 in (precision, recall) else 2 * precision * recall / (precision + recall)
        return {"entity_precision": precision, "entity_recall": recall, "entity_f1": f1}
