"""Ask a language model questions, keep its answers in a cache, and count what they cost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

from molmix.core.jsonl_cache import append_to_cache, read_cache
from molmix.core.progress import Progress


class Answer(TypedDict):
    """A cached answer: ``finish`` is ``stop``, ``length``, ``prompt_too_long`` or ``content_filter``."""

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


class Asker(Protocol):
    """Asks a model. `fingerprint` is plain JSON of everything except the question that its answers depend on."""

    fingerprint: dict[str, Any]

    def keeps(self, answer: Answer) -> bool:
        """Whether an answer is final and can be kept in the cache."""

    def ask(self, questions: Iterable[str], known: Collection[str], keep: Callable[[dict[str, Answer]], None]) -> int:
        """Ask all distinct questions that are not known. Pass answers to `keep`; return the number of retries."""


def ask_cached(
    asker: Asker, questions: Sequence[str], path: Path, name: str
) -> tuple[dict[str, Answer], dict[str, int]]:
    """Ask the questions that the cache lacks.

    Args:
        asker: asks the model.
        questions: distinct ones.
        path: file of the cache.
        name: of the task, for people.

    Returns:
        The answers by question, with others of the cache; and how many were ``asked``, with how many ``retries``.
    """
    answers: dict[str, Answer] = read_cache(path)
    missing = [question for question in questions if question not in answers]
    if not missing:
        return answers, {"asked": 0, "retries": 0}
    with Progress(total=len(missing), desc=name, unit="caption") as bar:

        def keep(fresh: dict[str, Answer]) -> None:
            if lasting := {text: answer for text, answer in fresh.items() if asker.keeps(answer)}:
                append_to_cache(path, lasting)
            answers.update(fresh)
            bar.update(len(fresh))

        retries = asker.ask(questions, answers.keys(), keep)
    return answers, {"asked": len(missing), "retries": retries}


def bill(answers: Sequence[Answer], settings: dict[str, Any]) -> dict[str, int | float]:
    """Tokens of the answers, and their cost if the settings have prices per million tokens of each kind."""
    prompt = sum(answer["prompt_tokens"] for answer in answers)
    completion = sum(answer["completion_tokens"] for answer in answers)
    prices = settings.get("prompt_price"), settings.get("completion_price")
    bill: dict[str, int | float] = {"prompt_tokens": prompt, "completion_tokens": completion}
    if prices != (None, None):
        bill["cost"] = round((prompt * (prices[0] or 0) + completion * (prices[1] or 0)) / 1e6, 6)
    return bill
