"""A study made ready: its config checked, its model table built, the files that it names read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molmix import table
from molmix.config import Config, parse, read_yaml
from molmix.inputs import check_files
from molmix.tracking import check_trackers


def ready(content: dict[str, Any], files: Sequence[Path], *, read_files: bool) -> tuple[Config, table.ModelTable]:
    """Check all that can be known before a job starts.

    Args:
        content: the config as Snakemake put it together, from one file or several, and from ``--config``.
        files: the config files.
        read_files: whether to read the data files too; jobs, which parse the workflow again, have no need to.

    Raises:
        MolmixError: one message with the key or file, the value and the mend.
    """
    for path in files:
        read_yaml(path)  # refuses keys given twice, which Snakemake's own reader lets through
    config = parse(content, ", ".join(map(str, files)) or "--config")
    models = table.build(config)
    if read_files:
        check_files(config)
        check_trackers(config.tracking.to)
    return config, models
