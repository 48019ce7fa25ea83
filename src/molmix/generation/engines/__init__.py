"""Engines: the libraries that generate answers. Each is one file in this folder and is found by being there.

To add one, write its file: a subclass of :class:`EngineKind`, which states what the rest of molmix must know of it, and
whose `load` gives an :class:`molmix.generation.engine.Engine`. The files are imported when the Snakefile is parsed, so
they import the library inside their functions.
"""

import sys

from molmix.core import plugins
from molmix.generation.engines._kind import EngineKind

ENGINES: dict[str, EngineKind] = {
    name: kind() for name, kind in plugins.classes(sys.modules[__name__], EngineKind).items()
}
