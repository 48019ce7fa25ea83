"""Decomposition: captions into atoms, single statements that stand alone. One file a backend.

To add a backend, write its file (see :mod:`molmix.judges.decompose.backends.openai`: its settings as a `Section`, and
how it is asked),
name its settings in :data:`Decomposer` and its class in :data:`molmix.judges.decompose.language_model.ASKERS`.
Importing this package is cheap; what needs a model or a server is imported where it is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from molmix.judges.decompose.backends import clauses, rules
from molmix.judges.decompose.backends.clauses import ClausesSettings
from molmix.judges.decompose.backends.openai import OpenAISettings
from molmix.judges.decompose.backends.rules import RulesSettings
from molmix.judges.decompose.backends.transformers import TransformersSettings
from molmix.judges.decompose.backends.vllm import VllmSettings
from molmix.judges.decompose.local import LocalSettings

__all__ = [
    "ClausesSettings",
    "Decomposed",
    "Decomposer",
    "LocalSettings",
    "OpenAISettings",
    "RulesSettings",
    "TransformersSettings",
    "VllmSettings",
    "decompose",
]

Decomposer = Annotated[
    RulesSettings | ClausesSettings | TransformersSettings | VllmSettings | OpenAISettings,
    Field(discriminator="backend"),
]
# Backends that are called and need no model, server or cache.
PLAIN = {"rules": rules.decompose, "clauses": clauses.decompose}


@dataclass(frozen=True)
class Decomposed:
    """Atoms of n captions, and how they were come by.

    Attributes:
        atoms: one list a caption: none for a caption that says nothing (no letter or digit in it), else at least one.
            Atoms are sentences that end with a full stop, each once, in the order in which they are stated.
        fallback: bool [n], whether the backend's answer could not be used and `rules` took the caption apart.
        counts: plain JSON. ``captions``; ``distinct`` ones that say something; of these ``cached`` and ``asked`` now,
            with ``retries``; ``prompt_tokens``, ``completion_tokens`` and (where prices are given) ``cost`` of the
            answers, whenever they were asked; ``fallback`` captions, and how many of them for which reason
            (``fallback_<reason>``, see :data:`molmix.judges.decompose.answers.REASONS`).
    """

    atoms: list[list[str]]
    fallback: list[bool]
    counts: dict[str, int | float]


def decompose(
    captions: Sequence[str], settings: dict[str, Any], *, cache: Path | None = None, weights: Path | None = None
) -> Decomposed:
    """Take captions apart.

    Args:
        captions: any texts, empty ones included.
        settings: a :data:`Decomposer`, dumped.
        cache: folder of answers so far, for all backends but the :data:`PLAIN` ones; losing it costs time (and money)
            only. An interrupted call goes on from it, and captions that it holds are not asked again.
        weights: local folder of the model, for `transformers` and `vllm`.

    Raises:
        MolmixError: the model cannot be loaded or run here, or the server cannot be had, refuses or stalls.
    """
    if settings["backend"] in PLAIN:
        distinct = {text for caption in captions if rules.says_something(text := rules.clean(caption))}
        counts: dict[str, int | float] = {"captions": len(captions), "distinct": len(distinct), "fallback": 0}
        return Decomposed(PLAIN[settings["backend"]](captions), [False] * len(captions), counts)
    from molmix.judges.decompose.language_model import ask_and_read

    if cache is None:
        raise ValueError("a backend that is asked needs a cache")
    return ask_and_read(captions, settings, cache, weights)
