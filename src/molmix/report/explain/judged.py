"""What a judge made of one caption: its units, the pairs that decided over them, and the score as a sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from molmix.core.errors import fault
from molmix.judges.kinds import Judge
from molmix.judges.kinds.atomic import PICKS, THRESHOLD, Atomic, verdicts
from molmix.judges.matrices import Cross, by_shape
from molmix.report.explain.case import Case

# Why the reference atom that the row-wise operation picks was picked.
REASONS = {"aligned": "most about", "max": "contradicted most by", "min": "contradicted least by"}


def lines(case: Case) -> Iterator[str]:
    """Everything behind a judge's score.

    Raises:
        MolmixError: the judge's tables are gone, or not of one another.
    """
    assert case.judge is not None
    judge = case.scores.study.judges[case.judge]
    *atoms, pairs = (case.path(folder) for folder in case.judged())
    reference, generated = (case.of(path).to_pylist()[0] for path in atoms)
    row = case.of(pairs)
    cross = _one(next(by_shape(row))[1])
    if cross.forward_entailment.shape != (len(generated["atoms"]), len(reference["atoms"])):
        raise fault(pairs, f"was made of other units than {atoms[1]}", "run the same snakemake command again")
    yield who(case.judge, judge)
    if generated["fallback"] or reference["fallback"]:
        yield "The decomposer's answer could not be used: these units were made by `rules`."
    if cut := row["n_truncated"][0].as_py():
        yield f"{cut} of the pairs were cut to what the model can read."
    yield "e, n, c: probability of entailment, neutral, contradiction; premise → hypothesis."
    yield ""
    sides = _Sides(generated["atoms"], reference["atoms"], cross)
    yield from (_atomic(case, sides, judge) if isinstance(judge, Atomic) else _consistency(case, sides, judge))


class _Sides:
    """Both texts' units, and lines about their pairs."""

    def __init__(self, generated: Sequence[str], reference: Sequence[str], cross: Cross) -> None:
        self.generated, self.reference, self.cross = generated, reference, cross

    def forward(self, row: int, column: int) -> str:
        """What the reference unit says of the generated one."""
        cross = self.cross
        pair = cross.forward_entailment[row, column], cross.forward_contradiction[row, column]
        return f"reference → generated  {_three(*pair)}"

    def backward(self, row: int, column: int) -> str:
        """What the generated unit says of the reference one."""
        cross = self.cross
        pair = cross.backward_entailment[row, column], cross.backward_contradiction[row, column]
        return f"generated → reference  {_three(*pair)}"


def _one(cross: Cross) -> Cross:
    """The first caption's matrices, in double precision, so that their sums are those of the digits shown."""
    return Cross(*(getattr(cross, name)[0].astype(float) for name in Cross.__dataclass_fields__))


def _three(entailment: float, contradiction: float) -> str:
    return f"e {entailment:.4f}  n {max(0.0, 1 - entailment - contradiction):.4f}  c {contradiction:.4f}"


def who(name: str, judge: Judge) -> str:
    """One line that says how a judge judges."""
    units = f"reference by `{judge.reference_units}`, caption by `{judge.generated_units}`"
    operation = f", row-wise operation `{judge.operation}`" if isinstance(judge, Atomic) else ""
    return f"Judge `{name}` ({judge.kind}): {units}, NLI model `{judge.nli}`{operation}."


def _mean(terms: np.ndarray) -> str:
    """A mean as the sum that it is."""
    total = " + ".join(f"{term:.4f}" for term in terms).replace("+ -", "− ")
    return f"({total}) / {len(terms)} = {terms.mean():.4f}"


# ---- atoms against atoms -----------------------------------------------------------------------------------------


def _atomic(case: Case, sides: _Sides, judge: Atomic) -> Iterator[str]:
    generated, reference = len(sides.generated), len(sides.reference)
    if not generated or not reference:
        yield from _nothing(sides)
        return
    found = verdicts(sides.cross, judge.operation)
    picks = PICKS[judge.operation](sides.cross) if judge.operation in PICKS else None
    nearest = sides.cross.forward_entailment.argmax(axis=1)
    covering = sides.cross.backward_entailment.argmax(axis=0)
    verdict, covered = found.generated(), found.reference()

    yield f"Generated atoms, each with the reference atoms that decide ({generated})"
    for row, text in enumerate(sides.generated):
        yield f"  {row + 1:2}  {verdict[row]:12}  contradiction {found.contradiction[row]:.4f}  {text}"
        decide: dict[int, list[str]] = {}
        if picks is not None:
            decide[picks[row]] = [REASONS[judge.operation]]
        decide.setdefault(nearest[row], []).append("entailed most by")
        for column, reasons in decide.items():
            yield f"        {' and '.join(reasons)} reference {column + 1}: {sides.reference[column]}"
            yield f"          {sides.forward(row, column)}"
            yield f"          {sides.backward(row, column)}"
    yield ""
    yield f"Reference atoms, each with the generated atom that entails it most ({reference})"
    for column, text in enumerate(sides.reference):
        row = covering[column]
        yield f"  {column + 1:2}  {covered[column]:12}  entailment {found.coverage[column]:.4f}  {text}"
        yield f"        entailed most by generated {row + 1}: {sides.generated[row]}"
        yield f"          {sides.backward(row, column)}"
        yield f"          {sides.forward(row, column)}"
    yield ""
    shares = {
        "supported": found.supported,
        "contradicted": found.contradicted,
        "unsupported": ~found.supported & ~found.contradicted,
    }
    score = case.metric.rpartition(".")[2]
    if score in shares:
        made = shares[score].mean()
        yield f"{case.metric} = {shares[score].sum()} of {generated} generated atoms = {made:.4f}"
    else:
        terms = found.coverage if score == "coverage" else found.contradiction
        what = "entailment of the reference atoms" if score == "coverage" else "contradiction of the generated atoms"
        made = terms.mean()
        yield f"{case.metric} = {_mean(terms)}, the mean {what}"
    yield f"A probability of {THRESHOLD} or more makes an atom supported, contradicted or covered."
    yield from _as_stored(case, made)


def _nothing(sides: _Sides) -> Iterator[str]:
    yield f"Generated atoms ({len(sides.generated)})"
    yield from (f"  {place:2}  unsupported   {text}" for place, text in enumerate(sides.generated, 1))
    yield f"Reference atoms ({len(sides.reference)})"
    yield from (f"  {place:2}  missed        {text}" for place, text in enumerate(sides.reference, 1))
    yield ""
    yield "One side has no atoms, so there are no pairs: docs/metrics.md says what each score is then."


# ---- the other judges --------------------------------------------------------------------------------------------


def _consistency(case: Case, sides: _Sides, judge: Judge) -> Iterator[str]:
    cross = sides.cross
    if not sides.generated or not sides.reference:
        yield "One side has no units, so there are no pairs: docs/metrics.md says what the score is then."
        return
    entailing, clashing = cross.forward_entailment.argmax(axis=1), cross.forward_contradiction.argmax(axis=1)
    yield f"Units of the caption, each with the units of the reference that decide ({len(sides.generated)})"
    for row, text in enumerate(sides.generated):
        yield f"  {row + 1:2}  {text}"
        decide = [("entailed most by", entailing[row])]
        if judge.kind == "summac_zs":
            decide.append(("contradicted most by", clashing[row]))
        for why, column in decide:
            yield f"        {why} reference {column + 1}: {sides.reference[column]}"
            yield f"          {sides.forward(row, column)}"
    yield ""
    if judge.kind == "summac_conv":
        yield f"{case.metric} = {case.value:.4f}: learned layers make it from all pairs' histograms (docs/metrics.md)."
        return
    terms = cross.forward_entailment.max(axis=1)
    what = "highest entailment of the units"
    if judge.kind == "summac_zs":
        terms, what = terms - cross.forward_contradiction.max(axis=1), f"{what}, less their highest contradiction"
    yield f"{case.metric} = {_mean(terms)}, the mean {what}"
    yield from _as_stored(case, terms.mean())


def _as_stored(case: Case, made: float) -> Iterator[str]:
    """Nothing where the sum is the score; a warning where the tables are not of one another."""
    if not abs(made - case.value) < 1e-4:
        yield f"The scores say {case.value:.4f}: they were made with other settings or pairs; run snakemake again."
