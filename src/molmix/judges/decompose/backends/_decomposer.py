"""Base classes of decomposers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from molmix.core.schema import Section
from molmix.judges.decompose.text import clean, says_something

if TYPE_CHECKING:
    from molmix.models.asking import Asker


@dataclass(frozen=True)
class Decomposed:
    """Atoms of n captions, and how they were made.

    Attributes:
        atoms: one list per caption. It is empty for a caption without a letter or digit, else it has at least one atom.
            Atoms are sentences that end with a full stop, each once, in the order of the caption. Atoms of the prompt
            `cross_nli` are unchanged answers of the model.
        fallback: bool [n], whether the model's answer could not be used and `rules` split the caption.
        counts: plain JSON. ``captions``; ``distinct`` non-empty ones; of these, ``cached`` and newly ``asked`` ones,
            with ``retries``; ``prompt_tokens``, ``completion_tokens`` and (if prices are given) ``cost`` of all
            answers, old and new; ``fallback`` captions, and their number by reason
            (``fallback_<reason>``, see :data:`molmix.judges.decompose.answers.REASONS`).
    """

    atoms: list[list[str]]
    fallback: list[bool]
    counts: dict[str, int | float]


class DecomposerSettings(Section):
    """A decomposer of the config. A backend is one file with one subclass of this.

    A backend without a model defines :meth:`atoms`. A backend that asks a language model is a subclass of
    :class:`ModelSettings`. If the model runs on this machine, it is a subclass of
    :class:`molmix.judges.decompose.backends._local.LocalSettings`: its weights are fetched, and it uses the GPUs of the
    stage.

    Attributes:
        asks_model: whether it asks a language model, here or on a server, which takes hours.
        environment: the file in `envs/` of its environment.
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

    def check_installed(self, key: str) -> None:
        """Refuse to run without the packages of the backend. `key` is the config key of this decomposer."""

    def check_folder(self, key: str, folder: Path) -> None:
        """Refuse a local model that the backend cannot run, before any job starts.

        Args:
            key: config key that names the model.
            folder: of the model.

        Raises:
            MolmixError: the backend cannot run it.
        """


class ModelSettings(DecomposerSettings):
    """A decomposer that asks a language model."""

    asks_model: ClassVar[bool] = True

    def asker(self, cache: Path, weights: Path | None) -> Asker:
        """The object that asks the model.

        Args:
            cache: folder of finished answers.
            weights: local folder of the model, for a local one.
        """
        raise NotImplementedError

    def decompose(self, captions: Sequence[str], cache: Path | None, weights: Path | None) -> Decomposed:
        """Ask the model and cache its answers. If an answer cannot be used, `rules` split the caption."""
        from molmix.judges.decompose.language_model import ask_model

        if cache is None:
            raise ValueError("a decomposer that asks a model needs a cache")
        return ask_model(captions, self.model_dump(), self.asker(cache, weights), cache)
