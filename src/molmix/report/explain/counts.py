"""Explanation of values that are computed from counts of n-grams, facts or properties."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from molmix.report.explain.case import Case

BLEU = {"bleu2": 2, "bleu4": 4, "bleu": 4}  # longest n-gram of each metric
FACTS = ("precision", "recall", "f1")


def explain_bleu(case: Case) -> Iterator[str]:
    """The numbers of matching n-grams, and the sentence BLEU computed from them."""
    row, orders = case.row, range(1, BLEU[case.metric] + 1)
    units = "tokens" if case.direction == "mol2cap" else "characters"
    matches, totals = ([row[f"bleu_{kind}_{n}"] for n in orders] for kind in ("match", "total"))
    said, reference = row["bleu_hyp_len"], row["bleu_ref_len"]
    for n, match, total in zip(orders, matches, totals, strict=True):
        yield f"{n}-grams   {match} of {total} stand in a reference"
    yield f"length    {said} {units}, the nearest reference {reference}"
    yield ""
    if not all(matches):
        yield f"{case.metric} = 0.0000: some length of n-gram has no match, and nothing is smoothed"
    else:
        brevity = math.exp(min(0.0, 1 - reference / said))
        mean = math.exp(
            sum(math.log(match / total) for match, total in zip(matches, totals, strict=True)) / len(orders)
        )
        shares = " × ".join(f"{match}/{total}" for match, total in zip(matches, totals, strict=True))
        root = f"({shares})^(1/{len(orders)})"
        yield f"{case.metric} = brevity {brevity:.4f} × {root} {mean:.4f} = {brevity * mean:.4f}"
    yield "A system's value is made from the sums of these counts over all captions. It is no mean of such values."


def explain_facts(case: Case) -> Iterator[str]:
    """The facts that the caption states, the true facts, and the facts of the reference."""
    from molmix.data.synthetic.captions import parse

    stated, due, true = set(parse(case.row["text"])), set(case.given["facts"]), set(case.given["truth"])
    yield from _group("stated, and in the reference", stated & true & due)
    yield from _group("stated and true, though not in the reference", (stated & true) - due)
    yield from _group("stated, and not true", stated - true)
    yield from _group("missing: in the reference, and not stated", due - stated)
    yield ""
    row = case.row
    yield f"precision = {_share(stated & true, stated)} = {row['precision']:.4f} (true of those stated)"
    yield f"recall    = {_share(stated & due, due)} = {row['recall']:.4f} (stated of those in the reference)"
    yield f"f1        = {row['f1']:.4f} (their harmonic mean)"


def explain_properties(case: Case) -> Iterator[str]:
    """The properties that the caption states, and the properties of the reference."""
    from molmix.metrics.families.properties import DUE, STATED

    stated, due = (set(case.row[column]) for column in (STATED, DUE))
    yield from _group("stated and due", stated & due)
    yield from _group("stated, not due", stated - due)
    yield from _group("due, not stated", due - stated)
    yield ""
    yield f"precision = {_share(stated & due, stated)}, recall = {_share(stated & due, due)}"
    yield "The value of a system averages each property over all captions. It is not the mean of such values."


def explain_other(case: Case) -> Iterator[str]:
    """For a metric without stored counts: the other scores of the caption."""
    yield "Only the value of this metric is stored, without counts; docs/metrics.md defines it. The other scores:"
    named = [name for name in case.scores.measured if name != case.metric]
    width = max(map(len, named))
    for name in named:
        value = case.row[name]
        yield f"  {name:{width}}  {'undefined' if value is None else f'{value:.4f}'}"


def _group(title: str, names: Collection[str]) -> Iterator[str]:
    yield f"{title}: {len(names)}"
    yield from (f"  {name}" for name in sorted(names))


def _share(part: Collection[str], whole: Collection[str]) -> str:
    return f"{len(part)}/{len(whole)}" if whole else "0/0 (docs/metrics.md)"
