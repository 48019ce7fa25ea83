"""Plug-ins: every module in a plug-in folder is registered automatically. One plug-in is one file.

Alignment methods, merge methods, judge kinds, decomposers, metric families and planted errors are plug-ins. The file of
a plug-in states everything that the rest of molmix needs to know about it. Parsing the Snakefile imports all plug-ins,
so a plug-in imports slow libraries (torch, pandas) only inside its functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Any, TypeVar, Union

Base = TypeVar("Base")


def modules(package: ModuleType) -> dict[str, ModuleType]:
    """Import every module of a package; returns the modules by name, in alphabetical order.

    Modules whose names begin with an underscore are left out: they contain code that the plug-ins share.
    """
    names = sorted(found.name for found in iter_modules(package.__path__) if not found.name.startswith("_"))
    return {name: import_module(f"{package.__name__}.{name}") for name in names}


def classes(package: ModuleType, base: type[Base]) -> dict[str, type[Base]]:
    """The subclass of `base` that each plug-in of a package defines, by the name of the plug-in.

    Raises:
        TypeError: a plug-in defines no subclass, or several.
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
    """A type of the config: one of several sections. The value of a key says which one."""
    from pydantic import Field  # jobs that check no settings import plug-ins, too

    return Annotated[Union[tuple(options)], Field(discriminator=key)]  # noqa: UP007 (the options are not known here)
