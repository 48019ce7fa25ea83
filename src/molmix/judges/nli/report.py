"""The pair stores as a table for people: `molmix store`."""

from __future__ import annotations

from pathlib import Path

from molmix.core.errors import MolmixError, fault
from molmix.core.files import read_json
from molmix.judges.nli.cache import ABOUT, PairStore

COLUMNS = ("model", "dtype", "cut-off", "files", "damaged", "pairs", "repeats", "bytes", "folder")


def report(root: Path, *, compact: bool) -> list[tuple[str, ...]]:
    """A row a store, under :data:`COLUMNS`.

    Args:
        root: folder of all stores.
        compact: put each store's files into one first.

    Raises:
        MolmixError: there is no such folder.
    """
    if not root.is_dir():
        raise fault(root, "is no folder", "name the folder of the pair stores, or run a study that judges captions")
    rows: list[tuple[str, ...]] = [COLUMNS]
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        store = PairStore(folder)
        if compact:
            store.compact()
        stats = store.stats()
        counts = [f"{stats[name]:,}" for name in ("files", "damaged", "pairs", "repeats", "bytes")]
        rows.append((*_about(folder), *counts, folder.name))
    return rows


def _about(folder: Path) -> tuple[str, str, str]:
    """Model, number format and cut-off of a store, question marks where it does not say so."""
    try:
        about = read_json(folder / ABOUT)
        return str(about["model"]), str(about["dtype"]), str(about["max_length"])
    except (MolmixError, KeyError):
        return "?", "?", "?"
