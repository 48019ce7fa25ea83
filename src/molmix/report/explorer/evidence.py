"""What a judge made of all captions of one system, as lists by row that a page can show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from molmix.core.errors import fault
from molmix.core.files import read_table
from molmix.judges.kinds import Judge
from molmix.judges.kinds.atomic import PICKS, Atomic, verdicts
from molmix.judges.matrices import Cross, by_shape
from molmix.report.explorer.chunks import rounded

MATRICES = ("forward_entailment", "forward_contradiction", "backward_entailment", "backward_contradiction")


def evidence(judge: Judge, reference: Path, generated: Path, pairs: Path) -> dict[str, list[Any]]:
    """Units, verdicts and probabilities of every caption.

    Args:
        judge: whose settings say which verdicts there are.
        reference, generated: units of both sides.
        pairs: probabilities of their pairs.

    Returns:
        Lists by row. Of every judge: ``atoms`` (the caption's units), ``fallback``, ``truncated``, ``matrices`` (two or
        four lists of thousandths, row-major [generated, reference], in the order of :data:`MATRICES`; empty where a
        side has no units) and ``nearest`` (the reference unit that entails each generated one most). Of the atomic
        judge also ``verdicts``, ``contradiction`` and ``picks`` of the generated atoms (the reference atom that the
        row-wise operation took), ``covered``, ``coverage`` and ``covering`` of the reference atoms.

    Raises:
        MolmixError: a table is missing, damaged, or not of the others.
    """
    said, wanted, asked = read_table(generated), read_table(reference, ["atoms"]), read_table(pairs)
    atoms = said["atoms"].to_pylist()
    sizes = [said["id"].to_pylist(), [*map(len, atoms)], [*map(len, wanted["atoms"].to_pylist())]]
    if sizes != [asked[name].to_pylist() for name in ("id", "n_generated", "n_reference")]:
        raise fault(pairs, f"was made of other units than {generated}", "run the same snakemake command again")
    names = MATRICES if judge.both_ways else MATRICES[:2]
    found: dict[str, list[Any]] = {
        "atoms": atoms,
        "fallback": said["fallback"].to_pylist(),
        "truncated": asked["n_truncated"].to_pylist(),
    }
    for rows, cross in by_shape(asked):
        many, one, other = cross.forward_entailment.shape
        columns: dict[str, Any] = {"matrices": [[]] * many, "nearest": [[]] * many}
        if one and other:
            cells = np.stack([getattr(cross, name).reshape(many, -1) for name in names], axis=1)
            columns["matrices"] = np.rint(cells * 1000).astype(int).tolist()
            columns["nearest"] = cross.forward_entailment.argmax(axis=-1).tolist()
        if isinstance(judge, Atomic):
            columns |= _verdicts(cross, judge.operation) if one and other else _nothing(many, one, other)
        for name, values in columns.items():
            column = found.setdefault(name, [None] * len(atoms))
            for row, value in zip(rows.tolist(), values, strict=True):
                column[row] = value
    return found


def _verdicts(cross: Cross, operation: str) -> dict[str, Any]:
    atoms = verdicts(cross, operation)
    pick = PICKS.get(operation)
    return {
        "verdicts": atoms.generated().tolist(),
        "contradiction": [rounded(row, 4) for row in atoms.contradiction.tolist()],
        "picks": pick(cross).tolist() if pick else [[]] * len(atoms.contradiction),
        "covered": atoms.reference().tolist(),
        "coverage": [rounded(row, 4) for row in atoms.coverage.tolist()],
        "covering": cross.backward_entailment.argmax(axis=-2).tolist(),
    }


def _nothing(many: int, one: int, other: int) -> dict[str, Any]:
    """Without pairs no atom is supported, contradicted or covered."""
    words = {"verdicts": [["unsupported"] * one] * many, "covered": [["missed"] * other] * many}
    return words | dict.fromkeys(("contradiction", "picks", "coverage", "covering"), [[]] * many)
