"""A study made ready: its config checked, its model table built, the files that it names read."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from molmix.config.files import check_files
from molmix.config.loading import parse, read_yaml
from molmix.config.schema import Config
from molmix.core.tracking import check_trackers
from molmix.pipeline import model_table


def ready(content: dict[str, Any], files: Sequence[Path], *, read_files: bool) -> tuple[Config, model_table.ModelTable]:
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
    models = model_table.build(config)
    if read_files:
        check_files(config)
        check_trackers(config.tracking.to)
    return config, models


def deny_others_writing() -> None:
    """Let owner and group alone write into a run, whatever the shell allows; jobs parse the workflow, and this, too."""
    os.umask(os.umask(0o022) | stat.S_IWOTH)
    # Snakemake makes these before it reads the workflow; what it later runs jobs from lies in the first.
    folder = Path(".snakemake")
    for path in [folder, folder / "log", *folder.glob("log/*")]:
        with suppress(OSError):  # not there, or somebody else's
            if (mode := path.stat().st_mode) & stat.S_IWOTH:
                path.chmod(stat.S_IMODE(mode) & ~stat.S_IWOTH)
