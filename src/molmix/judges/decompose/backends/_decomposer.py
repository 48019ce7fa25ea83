"""What every decomposer has: the base of their settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from molmix.core.schema import Section
from molmix.judges.decompose.text import clean, says_something

if TYPE_CHECKING:
    from molmix.judges.decompose.answers import Answer


@dataclass(frozen=True)
class Decomposed:
    """Atoms of n captions, and how they were made.

    Attributes:
        atoms: one list a caption: none for a caption that says nothing (no letter or digit in it), else at least one.
            Atoms are sentences that end with a full stop, each once, in the order in which they are stated; those of
            the prompt `cross_nli` are as the model wrote them.
        fallback: bool [n], whether the model's answer could not be used and `rules` split the caption.
        counts: plain JSON. ``captions``; ``distinct`` ones that say something; of these ``cached`` and ``asked`` now,
            with ``retries``; ``prompt_tokens``, ``completion_tokens`` and (where prices are given) ``cost`` of the
            answers, whenever they were asked; ``fallback`` captions, and how many of them for which reason
            (``fallback_<reason>``, see :data:`molmix.judges.decompose.answers.REASONS`).
    """

    atoms: list[list[str]]
    fallback: list[bool]
    counts: dict[str, int | float]


class DecomposerSettings(Section):
    """A decomposer of the config. A backend is one file with one subclass of this.

    One that needs no model defines :meth:`atoms`. One that asks a language model is a :class:`ModelSettings`. If the
    model runs on this machine it is a :class:`molmix.judges.decompose.backends._local.LocalSettings`: its weights are
    fetched, and it uses the GPUs of the stage.

    Attributes:
        asks_model: whether a language model is asked, here or behind an endpoint: it takes hours.
        environment: the file of `envs/` that it runs in.
    """

    backend: str

    asks_model: ClassVar[bool] = False
    environment: ClassVar[str] = "models"

    def atoms(self, caption: str) -> list[str]:
        """Atoms of one caption; see :class:`Decomposed`."""
        raise NotImplementedError

    def decompose(self, captions: Sequence[str], cache: Path | None, weights: Path | None) -> Decomposed:
        """Split captions; see :func:`molmix.judges.decompose.decompose`."""
        distinct = {text for caption in captions if says_something(text := clean(caption))}
        counts: dict[str, int | float] = {"captions": len(captions), "distinct": len(distinct), "fallback": 0}
        return Decomposed([self.atoms(caption) for caption in captions], [False] * len(captions), counts)

    def check_folder(self, key: str, folder: Path) -> None:
        """Refuse a local model before any job starts if the backend cannot run it.

        Args:
            key: of the config that names it.
            folder: of the model.

        Raises:
            MolmixError: the backend cannot run it.
        """


class Asker(Protocol):
    """Asks a model. `fingerprint` is plain JSON of everything that its answers depend on but the caption."""

    fingerprint: dict[str, Any]

    def keeps(self, answer: Answer) -> bool:
        """Whether an answer holds for good, and is kept in the cache."""

    def ask(self, captions: Iterable[str], known: Collection[str], keep: Callable[[dict[str, Answer]], None]) -> int:
        """Hand the answers to all distinct captions but the known ones to `keep`; return the number of retries."""


class ModelSettings(DecomposerSettings):
    """A decomposer that asks a language model."""

    asks_model: ClassVar[bool] = True

    def asker(self, cache: Path, weights: Path | None) -> Asker:
        """What asks the model.

        Args:
            cache: folder of answers so far.
            weights: local folder of the model, for a local one.
        """
        raise NotImplementedError

    def decompose(self, captions: Sequence[str], cache: Path | None, weights: Path | None) -> Decomposed:
        """Ask, keep what is answered, and let `rules` split what cannot be used."""
        from molmix.judges.decompose.language_model import ask_model

        if cache is None:
            raise ValueError("a decomposer that asks a model needs a cache")
        return ask_model(captions, self.model_dump(), self.asker(cache, weights), cache)
