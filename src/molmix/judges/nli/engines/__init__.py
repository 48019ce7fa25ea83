"""Engines: the libraries that compute the answers of NLI models. Each engine is one file, which registers it.

To add an engine, add a file with one subclass of :class:`NliEngine`. It states all facts about the engine that the rest
of molmix needs. The files are imported when the Snakefile is parsed, so they import the library inside their functions.
"""

import sys

from molmix.core import plugins
from molmix.judges.nli.engines._engine import AUTO, TORCH, Forward, NliEngine

__all__ = ["AUTO", "ENGINES", "TORCH", "Forward", "NliEngine", "fastest_engines"]

ENGINES: dict[str, NliEngine] = {
    name: kind() for name, kind in plugins.classes(sys.modules[__name__], NliEngine).items()
}


def fastest_engines(dtype: str) -> list[str]:
    """The engines that ``auto`` can choose for a number format here: installed and faster than torch, fastest first.

    There are none on a GPU, and none in formats that round more than :data:`molmix.judges.nli.agreement.TOLERANCE`.
    """
    from molmix.core.fingerprint import device_name

    names = [name for name, engine in ENGINES.items() if engine.speed > ENGINES[TORCH].speed and engine.is_installed()]
    if dtype != "float32" or not names or not device_name().startswith("cpu"):
        return []
    return sorted(names, key=lambda name: -ENGINES[name].speed)
