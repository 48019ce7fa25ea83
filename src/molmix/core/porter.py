"""Porter's stemmer (Porter 1980) of NLTK, without the rest of NLTK, whose import takes longer than a job's work."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType


def porter_stem() -> Callable[[str], str]:
    """NLTK's function from a word to its stem. Its module is loaded below empty packages, which are then removed.

    Raises:
        ModuleNotFoundError: NLTK is not installed.
    """
    spec = importlib.util.find_spec("nltk")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'nltk'", name="nltk")
    if "nltk" in sys.modules:
        return _stem()
    folder = Path(next(iter(spec.submodule_search_locations)))
    try:
        for name, path in (("nltk", folder), ("nltk.stem", folder / "stem")):
            package = ModuleType(name)
            package.__path__ = [str(path)]
            sys.modules[name] = package
        return _stem()
    finally:
        for name in [name for name in sys.modules if name == "nltk" or name.startswith("nltk.")]:
            del sys.modules[name]


def _stem() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer().stem
