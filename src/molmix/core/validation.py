"""Messages about wrong configs: one line for each of pydantic's errors, with the key, the value and a hint."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from molmix.core.errors import fault, show_value

# Hints by pydantic's error type, for errors whose message from pydantic uses terms of Python.
_HINTS = {
    "model_type": "give keys with values",
    "model_attributes_type": "give keys with values",
    "dict_type": "give keys with values",
    "list_type": "give a list",
    "tuple_type": "give a list",
    "string_type": "give text, in quotes where YAML reads something else",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_parsing_size": "give a smaller number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "finite_number": "give a finite number",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
}
# Phrases of pydantic before a bound or a choice, and simpler phrases for them.
_WORDS = {
    "Input should be greater than or equal to": "give at least",
    "Input should be greater than": "give more than",
    "Input should be less than or equal to": "give at most",
    "Input should be": "give",
}


def describe_error(content: Any, item: dict[str, Any], schema: dict[str, Any]) -> str:
    """One line for one of pydantic's errors.

    Args:
        content: the config that was checked, as plain data.
        item: one entry of ``ValidationError.errors()``.
        schema: JSON schema of the config, which contains the names of the keys.
    """
    key = _key(content, item["loc"], missing=item["type"] == "missing")
    if what := _about_the_key(item, schema):
        return f"  {key}{what}"
    value = show_value(item["input"])
    if item["type"] == "string_pattern_mismatch" and "arms" in item["loc"]:
        return f"  {key}: {value} is no name of an arm. Hint: begin with a letter, digit or bracket"
    if item["type"] == "string_pattern_mismatch" or "[key]" in item["loc"]:
        hint = "use up to 40 letters, digits, '_' and '-'" if isinstance(item["input"], str) else "put it in quotes"
        return f"  {key}: {value} is no safe name. Hint: {hint}"
    if item["loc"][-1:] in (("key_variable",), ("base_url",)):
        value = "what is given"  # the value may be an API key, or a URL that contains one
    return f"  {key}: {value} is refused. Hint: {hint_for(item)}"


def _key(content: Any, loc: tuple[Any, ...], *, missing: bool) -> str:
    """The full key. The location also contains the tags of discriminated unions, which are no keys.

    Only the last part can be a key that the content lacks, if that is what is wrong (`missing`).
    """
    location: list[str] = []
    node = content
    for part in loc:
        inside = part in node if isinstance(node, dict) else isinstance(node, list) and isinstance(part, int)
        if not inside and not (missing and part == loc[-1]):
            continue
        location.append(show_key(part))
        node = node[part] if inside and (isinstance(node, dict) or part < len(node)) else None
    return ".".join(part for part in location if part != "[key]") or "config"


def _about_the_key(item: dict[str, Any], schema: dict[str, Any]) -> str | None:  # noqa: PLR0911 (one for each kind)
    """The message if a key is wrong, or the tag that selects the known keys; None if the value is wrong."""
    match item["type"], item.get("ctx", {}):
        case "extra_forbidden", _:
            keys = sorted(_siblings(schema, item["loc"]))
            hint = did_you_mean(str(item["loc"][-1]), keys, f"known keys here: {', '.join(keys)}")
            return f": unknown key. Hint: {hint}"
        case "reserved", {"reason": reason}:  # the value may be a token
            return f": is set by molmix: {reason}. Hint: remove it"
        case "renamed", {"new": new}:
            return f": is the old name of `{new}`, which is given too. Hint: remove the old one"
        case "missing", _:
            return ": required and not given. Hint: add it (see docs/config.md)"
        case "invalid_key", _:
            return f": is read as {show_value(item['loc'][-1])}, and a key is text. Hint: put it in quotes"
        case "union_tag_not_found", {"discriminator": tag}:
            tag = tag.strip("'")
            return f".{tag}: required and not given. Hint: add it (see docs/config.md)"
        case "union_tag_invalid", {"discriminator": tag, "tag": given, "expected_tags": names}:
            options = sorted(name.strip(" '") for name in names.split(","))
            hint = did_you_mean(given, options, f"choose from: {', '.join(options)}")
            tag = tag.strip("'")
            return f".{tag}: there is no {show_value(given)}. Hint: {hint}"
    return None


def hint_for(item: Any) -> str:
    """The hint for one of pydantic's errors about a value of the wrong type or out of range."""
    if item["type"] == "too_short":
        return f"give entries, at least {item['ctx']['min_length']}"
    said = item["msg"].removeprefix("Value error, ")
    for words, plainer in _WORDS.items():
        said = said.replace(words, plainer)
    if item["type"] == "literal_error" and isinstance(item["input"], str):
        said = did_you_mean(item["input"], re.findall(r"'([^']*)'", item["ctx"]["expected"]), said)
    return _HINTS.get(item["type"]) or said[0].lower() + said[1:]


def show_key(part: Any) -> str:
    """A key as messages show it: in quotes if it is no short printable text."""
    plain = isinstance(part, str) and part.isprintable() and 0 < len(part) <= 80
    return part if plain else show_value(part)


def did_you_mean(name: str, names: Iterable[str], otherwise: str) -> str:
    """A hint for an unknown name: the most similar known name, or else a given text.

    Args:
        name: the unknown name.
        names: the known names.
        otherwise: the hint if no known name is similar.
    """
    near = difflib.get_close_matches(name[:80], list(names), n=1, cutoff=0.5)
    return f"did you mean {show_value(near[0])}?" if near else otherwise


def _siblings(schema: dict[str, Any], loc: tuple[Any, ...]) -> set[str]:
    """The keys that the schema allows in the section of an unknown key."""
    nodes = _resolve(schema, schema)
    for part in loc[:-1]:
        # The tag of a union is in the location but is no key: it selects one of the nodes.
        nodes = (
            [child for node in nodes for child in _children(schema, node, part)]
            or [node for node in nodes if any(_allows(key, part) for key in node.get("properties", {}).values())]
            or nodes
        )
    return {key for node in nodes for key in node.get("properties", {})}


def _allows(key: dict[str, Any], tag: Any) -> bool:
    return tag == key.get("const") or tag in key.get("enum", ())


def _children(schema: dict[str, Any], node: dict[str, Any], part: Any) -> list[dict[str, Any]]:
    child = node.get("properties", {}).get(part)
    named = [child] if child else [*node.get("patternProperties", {}).values(), node.get("items")]
    return [found for child in named if child for found in _resolve(schema, child)]


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """The object schemas of a node: references are followed, and unions are expanded."""
    if "$ref" in node:
        return _resolve(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[-1]])
    options = node.get("oneOf") or node.get("anyOf")
    return [found for option in options for found in _resolve(schema, option)] if options else [node]


def check_name(name: str, names: Iterable[str], key: str, what: str) -> None:
    """Check that a name exists.

    Args:
        name, key: the name, and the config key that gives it.
        names: the names that exist.
        what: kind of thing that is named, for the message.

    Raises:
        MolmixError: the name does not exist; the hint gives the most similar name, or all names.
    """
    names = list(names)
    if name not in names:
        otherwise = f"name one of: {', '.join(names) or '(none is defined)'}"
        raise fault(key, f"there is no {what} {name!r}", did_you_mean(name, names, otherwise))
