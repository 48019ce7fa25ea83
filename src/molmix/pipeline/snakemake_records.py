"""Snakemake's records of files, in ``.snakemake/``: files that jobs have begun, and how finished files were made."""

from __future__ import annotations

import base64
from pathlib import Path


def recorded_files(folder: Path) -> dict[str, Path]:
    """The records in a folder, by the path of the file that they describe.

    The name of a record is the path of its file in URL-safe base64. A long name is split into folders that begin with
    `@`.

    Args:
        folder: ``.snakemake/incomplete`` (files that a job is making now, or was making when it was killed) or
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
