"""The decomposition stage: split an author's captions into a table of units for each test set."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.files import read_table, write_table
from molmix.judges.decompose import decompose
from molmix.judges.decompose.units import UNITS
from molmix.models.manifests import weights_path

# `fallback`: the decomposer's answer for some caption could not be used, and `rules` split the caption.
ATOMS = pa.schema([("id", pa.string()), ("atoms", pa.list_(pa.string())), ("fallback", pa.bool_())])

log = logging.getLogger(__name__)


def decompose_tables(
    *,
    captions: Sequence[Path],
    outs: Sequence[Path],
    units: str,
    settings: dict[str, Any] | None,
    cache: Path,
    model: Path | None,
) -> None:
    """Cut the captions of several tables in one call.

    Args:
        captions: tables with a column `references` (several captions a row, whose units are joined) or `text`.
        outs: the tables to write, columns of :data:`ATOMS`, in the order of the rows.
        units: name of the units; a key of :data:`molmix.judges.decompose.units.UNITS` if `settings` is None.
        settings: of a decomposer of the config, dumped.
        cache: folder of decomposers' answers.
        model: manifest of a local decomposer's model.
    """
    tables = [read_table(path).to_pylist() for path in captions]
    rows = [row["references"] if "references" in row else [row["text"]] for table in tables for row in table]
    texts = [text for row in rows for text in row]
    if settings is None:
        atoms, fallback = [UNITS[units](text) for text in texts], [False] * len(texts)
    else:
        done = decompose(texts, settings, cache=cache, weights=weights_path(model) if model else None)
        atoms, fallback = done.atoms, done.fallback
        log.info("%s", done.counts)
    cells = []
    for start, end in pairwise(accumulate(map(len, rows), initial=0)):
        own = [atom for some in atoms[start:end] for atom in some]
        # Units that several captions share are kept once. Repeats within one caption stay.
        joined = settings is not None and end - start > 1
        cells.append({"atoms": list(dict.fromkeys(own)) if joined else own, "fallback": any(fallback[start:end])})
    left = iter(cells)
    for table, out in zip(tables, outs, strict=True):
        write_table(out, [{"id": row["id"], **next(left)} for row in table], ATOMS)
