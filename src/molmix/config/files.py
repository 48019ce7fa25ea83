"""Checks of the files that a config names, before any job starts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from molmix.config.schema import Config
from molmix.core.errors import fault, show_value
from molmix.core.hub import cached_folder
from molmix.data.settings import FileRejected, FileSource
from molmix.data.sources import is_there, read_rows
from molmix.generation.engines import ENGINES
from molmix.generation.settings import Predictions
from molmix.judges.nli.settings import PretrainedNli
from molmix.models.chat import check_has_template
from molmix.models.settings import HubModel
from molmix.models.weights import check_weights

CHECKED = 100_000  # rows of a file that are read before a run, which takes about 1 s; the jobs read all rows


def check_files(config: Config) -> None:
    """Check that all files and local models exist and can be read. Only the first rows of a long file are read.

    Raises:
        MolmixError: one of them is missing or cannot be read; the message names the file and row, or the key.
    """
    for source in _files(config):
        if not sum(1 for _ in islice(read_rows(source), CHECKED)):
            raise fault(source.path, "has no rows", "give it some, or check or fetch the file again")
    for key, path in config.metrics.files().items():
        if not is_there(Path(path)):
            raise fault(key, f"there is no {show_value(path)}", "fix the path, or leave the key out (docs/metrics.md)")
    if text2mol := config.metrics.text2mol:
        _local("metrics.text2mol.text_model", text2mol.text_model, text2mol.revision)
    for key, model in config.pretrained().items():
        if _local(f"{key}.id", model.id, model.revision):
            check_weights(Path(model.id))
    _check_folders(config)
    for path in config.judge_files():
        if not is_there(Path(path), Path.is_file):
            raise fault("judges", f"there is no {show_value(path)} to read weights from", "fix the path of `weights`")


def _check_folders(config: Config) -> None:
    """Check that the pretrained models that are on this machine are of the right kind for their engine or judge."""
    for name, model in config.initial.items():
        if isinstance(model, HubModel) and (folder := _folder(model)):
            ENGINES[config.generation.engine].check_folder(f"initial.{name}.id", folder)
            if (model.prompts or config.prompts).template == "chat":
                check_has_template(folder, f"initial.{name}.id")
    for name, decomposer in config.local_decomposers().items():
        if folder := _folder(decomposer):
            decomposer.check_folder(f"decomposers.{name}.id", folder)
    for name, nli in config.nli.items():
        if isinstance(nli, PretrainedNli) and (folder := _folder(nli)):
            nli.check_folder(f"nli.{name}", folder)


def _folder(model: Any) -> Path | None:
    """Folder of a pretrained model; None if it is not on this machine."""
    return Path(model.id) if is_there(Path(model.id), Path.is_dir) else cached_folder(model.id, model.revision)


def _local(key: str, name: str, revision: str | None) -> bool:
    """Whether a model is a local folder. A model of the hub must have a revision."""
    local = is_there(Path(name), Path.is_dir)
    if not local and revision is None:
        raise fault(key, f"{show_value(name)} is no local folder", "give a hub id its `revision`, or fix the path")
    return local


def _files(config: Config) -> Iterator[FileSource | FileRejected | Predictions]:
    yield from (source for source in config.sources() if isinstance(source, FileSource))
    yield from (source for source in config.rejected().values() if isinstance(source, FileRejected))
    for system in config.systems:
        yield from system.predictions.values()
