"""The settings that the installed TRL takes, written to a file so that the Snakefile need not import TRL (10
s).

``trl_settings.json`` holds, by method and setting, ``type``, the plain types of its value, and ``choices``
where TRL names them. Settings that molmix decides itself are left out
(:data:`molmix.align.presets.REFUSED`). Run ``python -m molmix.align.trl_settings`` after a change of TRL; a
test fails when the file is out of date.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

from molmix.align.methods import METHODS
from molmix.align.presets import REFUSED, TABLE

# What a value from a YAML file can be.
PLAIN = {bool: "bool", int: "int", float: "float", str: "str", list: "list", dict: "dict", type(None): "null"}


def describe() -> dict[str, dict[str, dict[str, Any]]]:
    """Settings of every method from TRL's dataclasses: ``{method: {name: {type: […], choices: […]}}}``."""
    return {name: _of(module.config()) for name, module in METHODS.items()}


def _of(config: Any) -> dict[str, dict[str, Any]]:
    hints = typing.get_type_hints(config)
    return {
        field.name: {"type": sorted(_types(hints[field.name]))} | _choices(hints[field.name], field)
        for field in sorted(dataclasses.fields(config), key=lambda field: field.name)
        if field.init and field.name not in REFUSED
    }


def _types(hint: Any) -> set[str]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return set().union(*(_types(part) for part in typing.get_args(hint)))
    kind = typing.get_origin(hint) or hint
    # An enumeration is written as text.
    return {"str"} if issubclass(kind, Enum) else {PLAIN[kind]}


def _choices(hint: Any, field: dataclasses.Field) -> dict[str, list[str]]:
    """The allowed texts: from an enumeration, from the field, or from the list in its help."""
    for kind in typing.get_args(hint) or (hint,):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"choices": [member.value for member in kind]}
    if "choices" in field.metadata:
        return {"choices": list(field.metadata["choices"])}
    listed = re.search(r"Possible values are: (.*?)(\. |$)", field.metadata.get("help", ""))
    return {"choices": re.findall(r"`'?(\w+)'?`", listed[1])} if listed else {}


def write() -> None:
    """Write the file anew, one line a setting."""
    methods = (
        f'"{method}": {{\n' + ",\n".join(f'  "{name}": {json.dumps(entry)}' for name, entry in settings.items()) + "\n}"
        for method, settings in describe().items()
    )
    Path(TABLE).write_text("{\n" + ",\n".join(methods) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    write()
