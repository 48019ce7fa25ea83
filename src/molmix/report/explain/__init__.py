"""All that stands behind one number: texts, atoms, probabilities, and the sum that they make.

Nothing is measured anew: what is shown is read from the run's tables, and put together by the functions that the scores
are made with. Lines may hold text from models: print them through :func:`molmix.core.errors.escape_control`.
"""

from __future__ import annotations

from collections.abc import Iterator

from molmix.config.schema import Config
from molmix.report.explain.case import Case, Scores


def explain(study: Config, metric: str, model: str, test: str, caption: str) -> Iterator[str]:
    """Lines that tell how one caption came to its value.

    Args:
        study: the config of a run in the working folder.
        metric: a column of the scores.
        model, test: whose caption, of which test set.
        caption: id of the caption.

    Raises:
        MolmixError: a name that does not exist, or a table that is missing or of another run.
    """
    scores = Scores.read(study, metric, model, test)
    case = scores.case(caption)
    yield f"{metric} of {model} on {test}, {caption}: {number(case.value)} ({scores.better} is better)"
    yield ""
    yield from _texts(case)
    yield ""
    yield from _evidence(case)
    yield ""
    yield "Files"
    yield from (f"  {path}" for path in case.files)


def worst(study: Config, metric: str, model: str, test: str, most: int = 10) -> Iterator[str]:
    """Lines that list the captions with the worst values, to choose one from.

    Args:
        study, metric, model, test: as for :func:`explain`.
        most: how many.

    Raises:
        MolmixError: as :func:`explain`.
    """
    scores = Scores.read(study, metric, model, test)
    ranked = scores.from_worst()
    undefined = len(scores.table) - len(ranked)
    yield (
        f"{metric} of {model} on {test}: the {min(most, len(ranked))} worst of {len(ranked)} ({scores.better} is better"
        + (f"; {undefined} undefined)" if undefined else ")")
    )
    yield ""
    width = max([len(row["id"]) for row in ranked[:most]], default=0)
    yield from (f"  {row['id']:{width}}  {number(row[metric])}  {_short(row['text'])}" for row in ranked[:most])
    yield ""
    yield "Give an id as well to see what stands behind one of them."


def number(value: float) -> str:
    """A value with four digits behind the point; NaN is a score that is not defined."""
    return "undefined" if value != value else f"{value:.4f}"  # noqa: PLR0124 - NaN alone differs from itself


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
    """What the value was made from, by the kind of metric."""
    from molmix.report.explain import counted, judged

    if case.judge:
        return judged.lines(case)
    if case.metric in counted.BLEU:
        return counted.bleu(case)
    if case.metric in counted.FACTS:
        return counted.facts(case)
    if case.metric.startswith("property_"):
        return counted.properties(case)
    return counted.others(case)
