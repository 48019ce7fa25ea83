"""Names for the files of a rule, so that a script finds each file by name, and not by position or path.

A rule writes ``**named("scores", {"sft": {"id": path}})``: Snakemake then knows the file as ``scores/sft/id``. The
script of the rule reads ``nested(snakemake.input, "scores")`` and gets ``{"sft": {"id": path}}`` back.
"""

from __future__ import annotations

from collections.abc import Mapping
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

    Args:
        files: Snakemake's named list: the input or the output of a job.
        kind: kind of the files.
    """
    found: dict[str, Any] = {}
    for name, path in files.items():
        first, *keys = name.split("/")
        if first == kind and keys:
            inner = found
            for key in keys[:-1]:
                inner = inner.setdefault(key, {})
            inner[keys[-1]] = Path(path)
    return found
