"""Engines: the libraries that generate answers. Each engine is one file in this folder, which registers it.

To add an engine, add a file with a subclass of :class:`EngineKind`. It states all facts about the engine that the rest
of molmix needs. Its `load` returns an :class:`molmix.generation.engine.Engine`. The files are imported when the
Snakefile is parsed, so they import the library inside their functions.
"""

import sys

from molmix.core import plugins
from molmix.generation.engines._kind import EngineKind

ENGINES: dict[str, EngineKind] = {
    name: kind() for name, kind in plugins.classes(sys.modules[__name__], EngineKind).items()
}
