"""Names in rules: of their files, so that a script finds each file by name and not by position or path, and in the
constraints of their wildcards.

A rule writes ``**named("scores", {"sft": {"id": path}})``: Snakemake then knows the file as ``scores/sft/id``. The
script of the rule reads ``nested(snakemake.input, "scores")`` and gets ``{"sft": {"id": path}}`` back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def named(kind: str, files: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a dictionary of files, nested to any depth, into Snakemake's names.

    Args:
        kind: kind of the files; the first part of every name.
        files: a path, or a further dictionary, by key. Keys contain no slash.
    """
    flat: dict[str, Any] = {}
    for key, value in files.items():
        name = f"{kind}/{key}"
        flat |= named(name, value) if isinstance(value, Mapping) else {name: value}
    return flat


def nested(files: Any, kind: str) -> dict[str, Any]:
    """The files of one kind of a job, nested as the rule gave them to :func:`named`; empty if there are none.

    A name whose input function gave no file is left out.

    Args:
        files: Snakemake's named list: the input or the output of a job.
        kind: kind of the files.
    """
    found: dict[str, Any] = {}
    for name, path in files.items():
        first, *keys = name.split("/")
        if first == kind and keys and path:
            inner = found
            for key in keys[:-1]:
                inner = inner.setdefault(key, {})
            inner[keys[-1]] = Path(path)
    return found


def any_of(names: Iterable[str]) -> str:
    """A wildcard constraint, a regular expression, that matches these names and nothing else.

    Parts that several names share are written once. Snakemake reads the whole expression for every file of every job,
    so its length decides how long a plan of thousands of models takes.
    """
    return "|".join(_alternatives([re.split(r"(?<=[._-])", name) for name in dict.fromkeys(names)])) or "(?!)"


def _alternatives(names: Sequence[Sequence[str]]) -> list[str]:
    """Expressions for names that are split into parts: "a.b", "a.c", "d.b" and "d.c" give `(?:a\\.|d\\.)(?:b|c)`."""
    endings: dict[str, list[Sequence[str]]] = {}
    for first, *rest in names:
        endings.setdefault(first, []).append(rest)
    beginnings: dict[str, list[str]] = {}
    for first, rests in endings.items():
        longer = [rest for rest in rests if rest]
        ending = _one_of(_alternatives(longer), optional=len(longer) < len(rests)) if longer else ""
        beginnings.setdefault(ending, []).append(re.escape(first).replace(r"\-", "-"))
    return [one for ending, firsts in beginnings.items() for one in ([_one_of(firsts) + ending] if ending else firsts)]


def _one_of(alternatives: Sequence[str], *, optional: bool = False) -> str:
    if len(alternatives) == 1 and not optional:
        return alternatives[0]
    return f"(?:{'|'.join(alternatives)}){'?' if optional else ''}"
