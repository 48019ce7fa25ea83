"""Base classes of judge kinds: those that ask an NLI model, and those that give verdicts without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from molmix.core.schema import Name, Section
from molmix.judges.matrices import MOST_ENTAILED, Explanation, PairMatrices, Scorer, by_shape

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Score:
    """A score of a caption.

    Attributes:
        column: its name, with the same meaning in every kind that has it.
        better: whether higher or lower is better.
        shown: whether tables for people show it. Their CSV has every score.
        headline: whether tables with few columns show it.
        title: its name in tables for people; empty for that of its column.
        reads_contradiction: whether it depends on probabilities of contradiction. Many NLI models call unrelated pairs
            contradictions; the licence of such a score has a bound on this.
    """

    column: str
    better: Literal["higher", "lower"]
    shown: bool = True
    headline: bool = True
    reads_contradiction: bool = False
    title: str = ""


CONSISTENCY = Score("consistency", "higher")


class JudgeSettings(Section):
    """A judge of the config. A kind is one file with one subclass of :class:`NliJudge` or :class:`VerdictJudge`.

    Attributes:
        stage: what makes the judge's table from the units of both texts: `nli` (probabilities of their pairs) or
            `verdicts`. It is the name of the rule, and of the folder of the tables.
        asks_server: whether its stage needs a network, and hours.
        needs_molecules: whether it reads the SMILES of a test set.
        units: how the reference and the caption are cut: keys of :data:`molmix.judges.decompose.units.UNITS`.
        counts: columns of the judge's table that are added to the scores.
        scores: its scores.
        title: title of the judge in tables that compare judges; empty for its name in the config.
        plain_columns: if true, the first such judge of the config has score columns without its name as prefix
            (`hallucination` instead of `summac.consistency`).
    """

    kind: str

    stage: ClassVar[Literal["nli", "verdicts"]]
    asks_server: ClassVar[bool] = False
    needs_molecules: ClassVar[bool] = False
    units: ClassVar[tuple[str, str]] = ("sentences", "sentences")
    counts: ClassVar[tuple[str, ...]] = ()
    scores: ClassVar[tuple[Score, ...]] = (CONSISTENCY,)
    plain_columns: ClassVar[bool] = False
    title: ClassVar[str] = ""

    @property
    def reference_units(self) -> str:
        """How the reference is cut: a key of `UNITS`, or the name of a decomposer of the config."""
        return self.decomposed_by or self.units[0]

    @property
    def generated_units(self) -> str:
        """How the caption is cut: a key of `UNITS`, or the name of a decomposer of the config."""
        return self.decomposed_by or self.units[1]

    @property
    def decomposed_by(self) -> str | None:
        """Name of the decomposer of the config that cuts both texts into atoms; None if the judge uses none."""
        return None

    @property
    def files(self) -> list[str]:
        """Files that the judge reads."""
        return []

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in :func:`molmix.judges.kinds.score_captions` after id."""
        return (*(score.column for score in self.scores), *self.counts)

    def score_table(self, table: pa.Table) -> dict[str, np.ndarray]:
        """The scores of all captions of the judge's table; see :func:`molmix.judges.kinds.score_captions`.

        Returns:
            By score, float64 [captions] in the order of the rows.

        Raises:
            MolmixError: a file that it needs cannot be used.
        """
        raise NotImplementedError

    def variants(self) -> dict[str, dict[str, Any]]:
        """Judges that use the same table: settings by name; without variants, its own by the empty name."""
        return {"": self.model_dump()}

    def describe(self) -> str:
        """Description of the judge, for the notes below the tables."""
        raise NotImplementedError


class NliJudge(JudgeSettings):
    """A judge that reads the probabilities of pairs of units.

    Attributes:
        nli: name of the NLI model.
        both_ways: whether it also reads the backward matrices, with the caption as premise.
        asks_identical: whether the NLI model is asked about pairs of identical texts; if not, they are entailed.
    """

    nli: Name = Field("embedded", description="NLI model that is asked, by its name")

    stage: ClassVar[Literal["nli", "verdicts"]] = "nli"
    both_ways: ClassVar[bool] = False
    asks_identical: ClassVar[bool] = False

    @property
    def reads_texts(self) -> bool:
        """Whether its stage reads whole texts besides their units."""
        return False

    @property
    def asking(self) -> dict[str, Any]:
        """How the NLI model is asked: arguments of :func:`molmix.judges.nli.inference.predict_tables`."""
        return {"both_ways": self.both_ways, "ask_identical": self.asks_identical}

    def scorer(self) -> Scorer:
        """The function from matrices to scores, with all needed files loaded.

        Raises:
            MolmixError: a file that it needs cannot be used.
        """
        raise NotImplementedError

    def score_table(self, table: pa.Table) -> dict[str, np.ndarray]:
        """The scores of a table of :func:`molmix.judges.nli.inference.predict_tables`."""
        import numpy as np

        score = self.scorer()
        scores = {own.column: np.empty(len(table)) for own in self.scores}
        for rows, matrices in by_shape(table):
            for name, values in score(matrices).items():
                scores[name][rows] = values
        return scores

    def explain(self, matrices: PairMatrices) -> Explanation:
        """How the scores are computed, for `molmix explain` and the explorer.

        Args:
            matrices: each [..., G, R] with G > 0 and R > 0.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """The kind and the NLI model."""
        return f"{self.kind} by the NLI model `{self.nli}`"


def mean_support(matrices: PairMatrices) -> dict[str, np.ndarray]:
    """Mean over generated units of the highest entailment by a reference unit.

    Args:
        matrices: each [..., G, R]. If G or R is 0, nothing is supported: the score is 0, the lowest.

    Returns:
        ``consistency``, an array [...] in [0, 1].
    """
    return {"consistency": matrices.or_zeros().forward_entailment.max(axis=-1).mean(axis=-1)}


class SupportJudge(NliJudge):
    """A judge whose score is the mean, over units of the caption, of the best support by the reference."""

    def scorer(self) -> Scorer:
        """See :func:`mean_support`."""
        return mean_support

    def explain(self, matrices: PairMatrices) -> Explanation:
        """How :func:`mean_support` is computed."""
        entailment = matrices.forward_entailment
        return Explanation(
            deciding={MOST_ENTAILED: entailment.argmax(axis=-1)},
            terms={"consistency": (entailment.max(axis=-1), "highest entailment of the units")},
        )


@dataclass(frozen=True)
class JudgedCaption:
    """A caption and everything that a judge can compare it with.

    Attributes:
        generated, reference: units of the caption and of its references.
        text: the caption.
        references: the references.
        molecule: SMILES of the molecule; None or any text if there is no molecule.
    """

    generated: list[str]
    reference: list[str]
    text: str
    references: list[str]
    molecule: str | None


@dataclass(frozen=True)
class CaptionVerdicts:
    """Verdicts about the units of one caption and of its references.

    Attributes:
        generated: the verdict of each generated unit.
        reasons: why, for each generated unit; may be empty texts.
        covered: the verdict of each reference unit; empty if the judge gives none.
    """

    generated: list[str]
    reasons: list[str]
    covered: list[str]


class VerdictJudge(JudgeSettings):
    """A judge that gives verdicts on single units, without an NLI model.

    Attributes:
        note: explains the verdicts to readers of `molmix explain`.
    """

    stage: ClassVar[Literal["nli", "verdicts"]] = "verdicts"
    counts: ClassVar[tuple[str, ...]] = ("n_generated", "n_reference")
    note: ClassVar[str] = ""

    def judge(self, captions: Sequence[JudgedCaption], cache: Path) -> list[CaptionVerdicts]:
        """Give verdicts.

        Args:
            captions: n captions.
            cache: folder for the answers of a model that is asked.

        Returns:
            n verdicts, in the same order.

        Raises:
            MolmixError: a model that is asked cannot be reached, or does not answer.
        """
        raise NotImplementedError

    def score(self, generated: Counter[str], covered: Counter[str]) -> dict[str, float]:
        """The scores of one caption, from the number of each verdict on its units and on those of its references."""
        raise NotImplementedError

    def score_table(self, table: pa.Table) -> dict[str, np.ndarray]:
        """The scores of a table of :func:`molmix.judges.verdicts.write_verdicts`."""
        import numpy as np

        rows = zip(table["verdicts"].to_pylist(), table["covered"].to_pylist(), strict=True)
        found = [self.score(Counter(generated), Counter(covered)) for generated, covered in rows]
        return {own.column: np.array([row[own.column] for row in found], float) for own in self.scores}
