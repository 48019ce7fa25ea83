"""Snakemake's marks in ``.snakemake/incomplete/``: the files that a job has begun and has not finished."""

from __future__ import annotations

import base64
from pathlib import Path


def begun(folder: Path) -> dict[str, Path]:
    """The mark of every file that a job is making now, or was when it was killed, by the file.

    A mark's name is the file's in URL-safe base64, a long one cut into folders that begin with `@`.
    """
    marks = {}
    for mark in folder.rglob("*"):
        if mark.is_file():
            name = "".join(part.removeprefix("@") for part in mark.relative_to(folder).parts)
            try:
                marks[base64.urlsafe_b64decode(name).decode()] = mark
            except ValueError:  # no mark: a file of Snakemake's own
                continue
    return marks
