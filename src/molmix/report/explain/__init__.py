"""Explanation of one score: its texts, atoms and probabilities, and how the score is computed from them.

All values are read from the tables of the run and combined by the same functions that compute the scores. Lines may
contain text from models, so print them through :func:`molmix.core.errors.escape_control`.
"""

from __future__ import annotations

from collections.abc import Iterator

from molmix.config.schema import Config
from molmix.core.errors import fault
from molmix.core.files import make_again
from molmix.report.explain.case import Case, Scores


def explain(study: Config, metric: str, model: str, test: str, caption: str) -> Iterator[str]:
    """Lines that show how the value of one caption is computed.

    Args:
        study: the config of a run in the working folder.
        metric: a column of the scores.
        model, test: the model and the test set of the caption.
        caption: id of the caption.

    Raises:
        MolmixError: a name does not exist, or a table is missing or belongs to another run.
    """
    scores = Scores.of(study, metric, model, test)
    case = scores.case(caption)
    yield f"{metric} of {model} on {test}, {caption}: {format_value(case.value)} ({scores.better} is better)"
    yield ""
    yield from _texts(case)
    yield ""
    yield from _evidence(case)
    yield ""
    yield "Files"
    yield from (f"  {path}" for path in case.files)


def worst(study: Config, metric: str, model: str, test: str, most: int = 10) -> Iterator[str]:
    """Lines that list the captions with the worst values.

    Args:
        study, metric, model, test: as for :func:`explain`.
        most: maximum number of captions.

    Raises:
        MolmixError: as :func:`explain`.
    """
    scores = Scores.of(study, metric, model, test)
    ranked = scores.from_worst()
    undefined = len(scores.table) - len(ranked)
    yield (
        f"{metric} of {model} on {test}: the {min(most, len(ranked))} worst of {len(ranked)} ({scores.better} is better"
        + (f"; {undefined} undefined)" if undefined else ")")
    )
    yield ""
    width = max([len(row["id"]) for row in ranked[:most]], default=0)
    yield from (f"  {row['id']:{width}}  {format_value(row[metric])}  {_short(row['text'])}" for row in ranked[:most])
    yield ""
    yield "Add an id to see everything behind the value of one caption."


def format_value(value: float) -> str:
    """A value with four decimals. NaN is an undefined score."""
    return "undefined" if value != value else f"{value:.4f}"  # noqa: PLR0124 - only NaN differs from itself


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _texts(case: Case) -> Iterator[str]:
    titles = ("molecule", "reference", "caption") if case.direction == "mol2cap" else ("wanted", "caption", "answer")
    molecule, reference, answer = (f"{title:9}  " for title in titles)
    if case.given["molecule"]:
        yield f"{molecule}{case.given['molecule']}"
    yield from (f"{reference}{text}" for text in case.given["references"])
    finish = "" if case.row["finish"] == "stop" else f" (finish: {case.row['finish']})"
    yield f"{answer}{case.row['text'] or '(empty)'}{finish}"


def _evidence(case: Case) -> Iterator[str]:
    """The data that the value was computed from, by kind of metric."""
    from molmix.report.explain import counts

    if case.judge:
        return _explain_judge(case)
    if case.metric in counts.BLEU:
        return counts.explain_bleu(case)
    if case.metric in counts.FACTS:
        return counts.explain_facts(case)
    if case.metric.startswith("property_"):
        return counts.explain_properties(case)
    return counts.explain_other(case)


def _explain_judge(case: Case) -> Iterator[str]:
    """The units of the caption and what decides about them, from the judge's tables."""
    from molmix.judges.explanation import explain_caption

    assert case.judge is not None
    *units, table = (case.path(folder) for folder in case.judge_folders())
    reference, generated = (case.row_of(path).to_pylist()[0] for path in units)
    row = case.row_of(table)
    if (row["n_generated"][0].as_py(), row["n_reference"][0].as_py()) != tuple(
        len(side["atoms"]) for side in (generated, reference)
    ):
        raise fault(table, f"was made of other units than {units[1]}", make_again(table))
    judge = case.scores.study.judges[case.judge]
    scores = {case.metric: case.value}
    return explain_caption(case.judge, judge, reference=reference, generated=generated, judged=row, scores=scores)
