"""Plug-ins: a folder of one-file modules, each of which registers by being there.

Alignment methods, merge methods, judge kinds, decomposers, metric families and planted errors are plug-ins. What the
rest of molmix must know of one stands in its own file. A plug-in is imported when the Snakefile is parsed, so it
imports torch, pandas and the like only inside its functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Any, TypeVar, Union

from pydantic import Field

Base = TypeVar("Base")


def modules(package: ModuleType) -> dict[str, ModuleType]:
    """Every module in the folder of a package by its name, in alphabetical order, imported.

    Names that begin with an underscore are left out: they hold what the plug-ins of the folder share.
    """
    names = sorted(found.name for found in iter_modules(package.__path__) if not found.name.startswith("_"))
    return {name: import_module(f"{package.__name__}.{name}") for name in names}


def classes(package: ModuleType, base: type[Base]) -> dict[str, type[Base]]:
    """The subclass of `base` that each plug-in of a package defines, by the plug-in's name.

    Raises:
        TypeError: a plug-in defines none, or several.
    """
    found = {}
    for name, module in modules(package).items():
        own = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
        ]
        if len(own) != 1:
            raise TypeError(
                f"{module.__name__} defines {len(own)} subclasses of {base.__name__}; a plug-in defines one"
            )
        found[name] = own[0]
    return found


def union(options: Sequence[type], key: str) -> Any:
    """A type of the config: one of several sections, told apart by the value of a key."""
    return Annotated[Union[tuple(options)], Field(discriminator=key)]  # noqa: UP007 (the options are not known here)
