"""Decomposition: captions into atoms, single statements that stand alone. One file a backend.

To add a backend, put its file into :mod:`molmix.judges.decompose.backends`: one subclass of
:class:`molmix.judges.decompose.backends._decomposer.DecomposerSettings`, which says everything that the rest of molmix
must know of it. Importing this package is cheap; what needs a model or a server is imported where it is used.
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
        settings: of a decomposer, dumped.
        cache: folder of answers so far, for backends that ask a model; losing it costs time (and money) only. An
            interrupted call goes on from it, and captions that it holds are not asked again.
        weights: local folder of the model, for backends that run one.

    Raises:
        MolmixError: the model cannot be loaded or run here, or the server cannot be reached, refuses or stalls.
    """
    chosen: DecomposerSettings = TypeAdapter(Decomposer).validate_python(settings)
    return chosen.decompose(captions, cache, weights)
