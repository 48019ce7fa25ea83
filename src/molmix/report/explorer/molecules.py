"""What the pages show of a test set, whoever answers it: molecules, references, drawings, the references' units."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from molmix.core.files import read_table
from molmix.report.explorer.chunks import blocks, write_chunk
from molmix.report.explorer.drawings import draw
from molmix.report.explorer.run import Run


def write_molecules(run: Run, folder: Path, test: str, rows: pa.Table) -> None:
    """Write ``t<test>/molecules`` (ids, molecules and references) and ``t<test>/m<block>`` (drawings and units).

    Args:
        run: whose test set it is.
        folder: of the pages.
        test: its name.
        rows: the test set.
    """
    name = f"t{run.tests.index(test)}"
    molecules = rows["molecule"].to_pylist()
    write_chunk(
        folder,
        f"{name}/molecules",
        {"ids": rows["id"].to_pylist(), "molecules": molecules, "references": rows["references"].to_pylist()},
    )
    units = [_units(run, units, test, len(rows)) for units in run.units]
    drawn = run.study.domain == "molecules"
    for block, part in blocks(len(rows)):
        drawings = [draw(smiles) if drawn else None for smiles in molecules[part]]
        write_chunk(folder, f"{name}/m{block}", {"drawings": drawings, "units": [side[part] for side in units]})


def _units(run: Run, units: str, test: str, rows: int) -> list[list[str]]:
    path = run.path(f"atoms/{units}/reference", test)
    if not run.asks_judges(test) or not run.has(path):
        return [[]] * rows
    return read_table(path, ["atoms"])["atoms"].to_pylist()
