"""Sections of the config for alignments: one section for each method."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model

from molmix.align import methods
from molmix.align.methods._shared import Alignment
from molmix.align.trl_settings import descriptions, settings_type
from molmix.core.plugins import classes, union

METHODS = classes(methods, Alignment)  # type: ignore[type-abstract]
# The method of each name that `method` may have: a method itself, or one of its variants.
METHOD_OF = {name: method for name, method in METHODS.items()} | {
    variant: method for method in METHODS.values() for variant in method.VARIANTS
}


def _sections() -> dict[str, type[Alignment]]:
    """The section of each method, with the types of its settings, by the name of the method."""
    described = descriptions({method.config_class: Path(inspect.getfile(method)) for method in METHODS.values()})
    return {name: _section(name, method, described) for name, method in METHODS.items()}


def _section(name: str, method: type[Alignment], described: dict[str, Any] | None) -> type[Alignment]:
    trl = settings_type(
        f"{method.__name__}Settings",
        described and described[method.config_class],
        method.smallest_batch,
        method.reserved,
    )
    fields: dict[str, Any] = {
        "method": (Literal[(name, *method.VARIANTS)], Field(description="alignment method (docs/presets.md)")),
        "preset": (Literal[tuple(method.PRESETS)], _again(method, "preset")),
        "settings": (trl, _again(method, "settings")),
    }
    if not method.has_reference:
        fields["reference"] = (Literal["start"], Field("start", description="this method has no reference model"))
    return create_model(method.__name__, __base__=method, __doc__=method.__doc__, **fields)


def resolve_settings(method: str, **given: Any) -> dict[str, Any]:
    """All settings of a training, as the argument `settings` of :func:`molmix.align.training.align`.

    Args:
        method: key of `METHOD_OF`.
        given: keys of the method's section of the config.
    """
    return _SECTION_OF[method](**{"method": method, "starts": ["start"]} | given).resolved()


def _again(method: type[Alignment], name: str) -> Any:
    """A field with the default and the description of the base class, for another type."""
    field = method.model_fields[name]
    return Field(field.default, description=field.description)


SECTIONS = _sections()
_SECTION_OF = {name: SECTIONS[method] for method in METHODS for name in (method, *METHODS[method].VARIANTS)}
if TYPE_CHECKING:
    Align = Alignment
else:
    Align = union([*SECTIONS.values()], "method")
