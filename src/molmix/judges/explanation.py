"""Explain a judge's scores of one caption in text: the units, what decides about them, and every score as a sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from molmix.judges.kinds import JudgeSettings, NliJudge, VerdictJudge
from molmix.judges.matrices import Explanation, PairMatrices, by_shape

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def explain_caption(
    name: str,
    judge: JudgeSettings,
    *,
    reference: Mapping[str, Any],
    generated: Mapping[str, Any],
    judged: pa.Table,
    scores: Mapping[str, float],
) -> Iterator[str]:
    """Lines that explain a judge's scores of one caption.

    Args:
        name, judge: the judge and its settings.
        reference, generated: the units of both texts, a row of :data:`molmix.judges.decompose.tables.ATOMS` each.
        judged: the caption's row in the table of the judge's stage, for these units.
        scores: the scores to explain, by column, with or without a judge's name as prefix.
    """
    yield describe_judge(name, judge)
    if generated["fallback"] or reference["fallback"]:
        yield "The decomposer's answer could not be used: these units were made by `rules`."
    sides = generated["atoms"], reference["atoms"]
    if isinstance(judge, NliJudge):
        yield from _explain_probabilities(judge, *sides, judged, scores)
    elif isinstance(judge, VerdictJudge):
        yield from _explain_verdicts(judge, *sides, judged.to_pylist()[0], scores)


def _explain_probabilities(
    judge: NliJudge, generated: list[str], reference: list[str], judged: pa.Table, scores: Mapping[str, float]
) -> Iterator[str]:
    matrices = _first(next(by_shape(judged))[1])
    if cut := judged["n_truncated"][0].as_py():
        yield f"{cut} of the pairs were cut to what the model can read."
    yield "e, n, c: probability of entailment, neutral, contradiction; premise → hypothesis."
    yield ""
    pairs = _Pairs(generated, reference, matrices)
    if generated and reference:
        yield from _explain_pairs(pairs, judge.explain(matrices), scores)
    else:
        yield from _explain_no_pairs(pairs, judge.explain(matrices.or_zeros()))


def _explain_verdicts(
    judge: VerdictJudge,
    generated: list[str],
    reference: list[str],
    judged: Mapping[str, Any],
    scores: Mapping[str, float],
) -> Iterator[str]:
    yield ""
    yield f"Units of the caption ({len(generated)})"
    for row, (text, verdict, reason) in enumerate(
        zip(generated, judged["verdicts"], judged["reasons"], strict=True), 1
    ):
        yield f"  {row:2}  {verdict:12}  {text}"
        if reason:
            yield f"        {reason}"
    yield ""
    if judged["covered"]:
        yield f"Units of the reference ({len(reference)})"
        yield from (
            f"  {row:2}  {verdict:12}  {text}"
            for row, (text, verdict) in enumerate(zip(reference, judged["covered"], strict=True), 1)
        )
        yield ""
    expected = judge.score(Counter(judged["verdicts"]), Counter(judged["covered"]))
    counted = Counter([*judged["verdicts"], *judged["covered"]])
    yield "Verdicts: " + (", ".join(f"{number} {word}" for word, number in counted.items()) or "none")
    for name, value in scores.items():
        yield f"{name} = " + (f"{value:.4f}" if value == value else "undefined")  # noqa: PLR0124 - only NaN differs
        recomputed = expected[name.rpartition(".")[2]]
        if abs(recomputed - value) > 1e-4:
            yield f"These verdicts give {recomputed:.4f}: the scores were made from others; run snakemake again."
    if judge.note:
        yield judge.note


def describe_judge(name: str, judge: JudgeSettings) -> str:
    """A judge and its settings in one line."""
    settings = judge.model_dump(exclude={"kind", "nli"}, exclude_none=True)
    asked = f", NLI model `{judge.nli}`" if isinstance(judge, NliJudge) else ""
    own = "".join(f", {key.replace('_', ' ')} `{value}`" for key, value in settings.items())
    units = f"reference by `{judge.reference_units}`, caption by `{judge.generated_units}`"
    return f"Judge `{name}` ({judge.kind}): {units}{asked}{own}."


class _Pairs:
    """The units of both texts, and lines about their pairs."""

    def __init__(self, generated: Sequence[str], reference: Sequence[str], matrices: PairMatrices) -> None:
        self.generated, self.reference, self.matrices = generated, reference, matrices

    def forward(self, row: int, column: int) -> str:
        """Probabilities with the reference unit as premise."""
        matrices = self.matrices
        pair = matrices.forward_entailment[row, column], matrices.forward_contradiction[row, column]
        return f"reference → generated  {_probabilities(*pair)}"

    def backward(self, row: int, column: int) -> str:
        """Probabilities with the generated unit as premise."""
        matrices = self.matrices
        pair = matrices.backward_entailment[row, column], matrices.backward_contradiction[row, column]
        return f"generated → reference  {_probabilities(*pair)}"


def _first(matrices: PairMatrices) -> PairMatrices:
    """The matrices of the first caption in double precision, so that sums match the displayed digits."""
    return type(matrices)(**{name: values[0].astype(float) for name, values in vars(matrices).items()})


def _probabilities(entailment: float, contradiction: float) -> str:
    return f"e {entailment:.4f}  n {max(0.0, 1 - entailment - contradiction):.4f}  c {contradiction:.4f}"


def _explain_pairs(pairs: _Pairs, explanation: Explanation, scores: Mapping[str, float]) -> Iterator[str]:
    units = "atoms" if explanation.verdicts is not None else "units"
    yield f"Generated {units}, each with the reference {units} that decide ({len(pairs.generated)})"
    shown = {
        "match": explanation.terms.get("atomic_precision"),
        "contradiction": explanation.terms.get("hallucination"),
    }
    for row, text in enumerate(pairs.generated):
        verdict = "" if explanation.verdicts is None else f"{explanation.verdicts[row]:12}  "
        values = "".join(f"{name} {terms[0][row]:.4f}  " for name, terms in shown.items() if terms)
        yield f"  {row + 1:2}  {verdict}{values}{text}"
        reasons: dict[int, list[str]] = {}
        for reason, columns in explanation.deciding.items():
            reasons.setdefault(int(columns[row]), []).append(reason)
        for column, words in reasons.items():
            yield f"        {' and '.join(words)} reference {column + 1}: {pairs.reference[column]}"
            yield f"          {pairs.forward(row, column)}"
            if explanation.covered is not None:
                yield f"          {pairs.backward(row, column)}"
    yield ""
    if explanation.covered is not None:
        yield from _explain_coverage(pairs, explanation)
    for name, score in scores.items():
        yield from _explain_sum(name, score, explanation)
    if explanation.note:
        yield explanation.note


def _explain_sum(column: str, value: float, explanation: Explanation) -> Iterator[str]:
    """A score, written as a sum."""
    score = column.rpartition(".")[2]
    if score not in explanation.terms:
        formula = explanation.formulas.get(score)
        yield f"{column} = {formula} = {value:.4f}" if formula else f"{column} = {value:.4f}"
        return
    terms, what = explanation.terms[score]
    if terms.dtype == bool:
        yield f"{column} = {terms.sum()} of {len(terms)} generated atoms = {terms.mean():.4f}"
    else:
        yield f"{column} = {_mean(terms)}, the mean {what}"
    if not abs(terms.mean() - value) < 1e-4:
        yield f"The scores say {value:.4f}: they were made with other settings or pairs; run snakemake again."


def _explain_coverage(pairs: _Pairs, explanation: Explanation) -> Iterator[str]:
    covered, (coverage, _) = explanation.covered, explanation.terms["coverage"]
    recall = explanation.terms.get("atomic_recall")
    assert covered is not None
    yield f"Reference atoms, each with the generated atom that entails it most ({len(pairs.reference)})"
    for column, text in enumerate(pairs.reference):
        row = int(pairs.matrices.backward_entailment[:, column].argmax())
        match = f"match {recall[0][column]:.4f}  " if recall else ""
        yield f"  {column + 1:2}  {covered[column]:12}  {match}entailment {coverage[column]:.4f}  {text}"
        yield f"        entailed most by generated {row + 1}: {pairs.generated[row]}"
        yield f"          {pairs.backward(row, column)}"
        yield f"          {pairs.forward(row, column)}"
    yield ""


def _explain_no_pairs(pairs: _Pairs, explanation: Explanation) -> Iterator[str]:
    sides = (("Generated", pairs.generated, explanation.verdicts), ("Reference", pairs.reference, explanation.covered))
    for title, units, verdicts in sides:
        yield f"{title} units ({len(units)})"
        verdict = "" if verdicts is None else f"{verdicts[0]:12}  "
        yield from (f"  {row:2}  {verdict}{text}" for row, text in enumerate(units, 1))
    yield ""
    yield "One side has no units, so there are no pairs: docs/metrics.md says what each score is then."


def _mean(terms: np.ndarray) -> str:
    """A mean, written as a sum."""
    total = " + ".join(f"{term:.4f}" for term in terms).replace("+ -", "− ")
    return f"({total}) / {len(terms)} = {terms.mean():.4f}"
