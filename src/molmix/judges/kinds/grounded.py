"""Statements against the molecule itself: what the structure decides, without a reference and without a model."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from molmix.core.schema import Name
from molmix.judges.kinds._judge import CaptionVerdicts, JudgedCaption, Score, VerdictJudge

log = logging.getLogger(__name__)


class Grounded(VerdictJudge):
    """Statements that the structure of the molecule decides, checked with RDKit (:mod:`molmix.judges.structure`).

    The verdict on an atom is `true`, `false`, or `undecided` where the structure does not decide it.

    * ``decided``: share of the atoms that are decided. It says how much the other two scores know.
    * ``true``: share of the decided atoms that are true; NaN if none is decided.
    * ``false``: number of false atoms.

    A caption without atoms has no ``decided`` (NaN). If RDKit cannot read the molecule, nothing is decided.
    """

    kind: Literal["grounded"]
    decomposer: Name = Field("rules", description="how captions are split into atoms, by its name")

    needs_molecules: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("decided", "higher", headline=False),
        Score("true", "higher"),
        Score("false", "lower", headline=False),
    )
    note: ClassVar[str] = (
        "An atom is undecided if the structure says nothing about it, or its words are not understood."
    )

    @property
    def decomposed_by(self) -> str:
        """The decomposer of both texts."""
        return self.decomposer

    def describe(self) -> str:
        """Description of the judge."""
        return f"atoms by `{self.decomposer}` against the structure of the molecule, with RDKit"

    def judge(self, captions: Sequence[JudgedCaption], cache: Path) -> list[CaptionVerdicts]:
        """A verdict and its reason for each atom of the captions; the references are not judged."""
        from molmix.judges.structure import decide, structure_of

        found = []
        structures = [structure_of(caption.molecule) for caption in captions]
        if unread := [caption.molecule for caption, own in zip(captions, structures, strict=True) if own is None]:
            what = "%d of %d molecules cannot be read as SMILES, so nothing about them is decided; the first is %r"
            log.warning(what, len(unread), len(captions), unread[0])
        for caption, structure in zip(captions, structures, strict=True):
            decisions = [structure and decide(atom, structure) for atom in caption.generated]
            words = [("true" if one.true else "false") if one else "undecided" for one in decisions]
            found.append(CaptionVerdicts(words, [f"{one.kind}: {one.reason}" if one else "" for one in decisions], []))
        return found

    def score(self, generated: Counter[str], covered: Counter[str]) -> dict[str, float]:
        """See the class."""
        decided = generated["true"] + generated["false"]
        return {
            "decided": decided / generated.total() if generated else float("nan"),
            "true": generated["true"] / decided if decided else float("nan"),
            "false": float(generated["false"]),
        }
