"""Reading a config file and checking it against the schema."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from molmix.config.schema import Config
from molmix.core.errors import MolmixError, counted, escape_control, fault, show_value
from molmix.core.validation import describe_error, show_key


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses repeated keys. PyYAML keeps the last one without a message."""


def _unique_mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        where = f"{key_node.start_mark.name}, line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise fault(where, "a list or a mapping is no key", "put the key in quotes")
        key = key_node.value if key_node.tag.endswith(":merge") else loader.construct_object(key_node)
        if key in seen:
            raise fault(where, f"key {show_value(key)} is given twice", "remove one")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML config file.

    Raises:
        MolmixError: the file is missing, is not UTF-8, not YAML or no mapping, or it has a repeated key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise fault(path, f"cannot be read ({error.strerror})", "name an existing config file") from None
    except UnicodeDecodeError as error:
        raise fault(path, f"is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    try:
        loader = _StrictLoader(text)
        loader.name = str(path)
        content = loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date without such a day, brackets by the thousand
        raise fault(path, f"is not YAML: {' '.join(str(error).split())}", "fix the syntax") from None
    if not isinstance(content, dict):
        raise fault(path, "holds no keys", "start from config/config.yaml")
    return content


def parse(content: dict[str, Any], where: str = "config", *, announce: bool = False) -> Config:
    """Check plain data against the schema.

    Args:
        content: content of the YAML file, as dicts, lists and scalars.
        where: the file's name, for messages.
        announce: whether to print which keys have a new name, once per process.

    Raises:
        MolmixError: keys are wrong; one message lists all of them, each with its value and what to do.
    """
    renamed: list[tuple[dict[str, Any], str, str]] = []
    try:
        return Config.model_validate(content, context=renamed)
    except ValidationError as error:
        read = _with_new_names(content, renamed)
        lines = [describe_error(read, dict(item), _json_schema()) for item in error.errors(include_url=False)]
        raise MolmixError(f"{where}: {counted(len(lines), 'thing')} to fix\n" + "\n".join(lines)) from None
    finally:
        if announce:
            for section, old, new in renamed:
                path = "".join(f"{show_key(part)}." for part in _path_to(section, content) or ())
                _announce(f"molmix: {where}: the key `{path}{old}` is now called `{path}{new}`; rename it")


@functools.cache
def _announce(line: str) -> None:
    print(escape_control(line), file=sys.stderr)


def _with_new_names(content: Any, renamed: list[tuple[dict[str, Any], str, str]]) -> Any:
    """Plain data with the new names of renamed keys, because errors of the validation contain the new names."""
    for section, old, new in renamed:
        path = _path_to(section, content)
        content = _renamed_at(content, path, old, new) if path is not None else content
    return content


def _renamed_at(node: Any, path: list[Any], old: str, new: str) -> Any:
    if not path:
        return {new if key == old else key: child for key, child in node.items()}
    copied = node.copy()
    copied[path[0]] = _renamed_at(node[path[0]], path[1:], old, new)
    return copied


def _path_to(section: Any, content: Any) -> list[Any] | None:
    """Keys that lead to an object inside plain data. A YAML object can occur under several keys, or inside itself."""
    seen: set[int] = set()
    waiting: list[tuple[Any, list[Any]]] = [(content, [])]
    while waiting:
        node, path = waiting.pop()
        if node is section:
            return path
        if id(node) not in seen and isinstance(node, dict | list):
            seen.add(id(node))
            children = node.items() if isinstance(node, dict) else enumerate(node)
            waiting += [(child, [*path, key]) for key, child in children]
    return None


@functools.cache
def _json_schema() -> dict[str, Any]:
    return Config.model_json_schema(by_alias=True)


def load(path: Path) -> Config:
    """Read and check one config file; raises the errors of :func:`read_yaml` and :func:`parse`."""
    return parse(read_yaml(path), str(path), announce=True)
