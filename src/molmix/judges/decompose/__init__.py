"""Decomposition of captions into atoms: single statements that can be read alone. One file per backend.

To add a backend, add a file to :mod:`molmix.judges.decompose.backends` with one subclass of
:class:`molmix.judges.decompose.backends._decomposer.DecomposerSettings`. It states all facts about the backend that the
rest of molmix needs. Importing this package is cheap: code for models and servers is imported only when it is used.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from molmix.core import plugins
from molmix.judges.decompose import backends
from molmix.judges.decompose.backends._decomposer import Decomposed, DecomposerSettings

__all__ = ["BACKENDS", "Decomposed", "Decomposer", "DecomposerSettings", "decompose"]

BACKENDS = plugins.classes(backends, DecomposerSettings)
Decomposer = plugins.union(list(BACKENDS.values()), "backend")


def decompose(
    captions: Sequence[str], settings: dict[str, Any], *, cache: Path | None = None, weights: Path | None = None
) -> Decomposed:
    """Split captions into atoms.

    Args:
        captions: any texts, empty ones included.
        settings: settings of a decomposer, dumped.
        cache: folder of finished answers, for backends that ask a model; its loss costs only time (and money). An
            interrupted call continues from it, and captions in it are not asked again.
        weights: local folder of the model, for backends that run one.

    Raises:
        MolmixError: the model cannot be loaded or run here, or the server cannot be reached, refuses or does not
            answer.
    """
    chosen: DecomposerSettings = TypeAdapter(Decomposer).validate_python(settings)
    return chosen.decompose(captions, cache, weights)
