"""Snakemake's records of files, in ``.snakemake/``: those that a job has begun, and how finished ones were made."""

from __future__ import annotations

import base64
from pathlib import Path


def recorded_files(folder: Path) -> dict[str, Path]:
    """The record of every file that a folder of records has, by the file.

    A record's name is the file's in URL-safe base64; a long one is cut into folders that begin with `@`.

    Args:
        folder: ``.snakemake/incomplete`` (files that a job is making now, or was when it was killed) or
            ``.snakemake/metadata`` (finished files).
    """
    records = {}
    for record in folder.rglob("*"):
        if record.is_file():
            name = "".join(part.removeprefix("@") for part in record.relative_to(folder).parts)
            try:
                records[base64.urlsafe_b64decode(name).decode()] = record
            except ValueError:  # a file of Snakemake's own
                continue
    return records
