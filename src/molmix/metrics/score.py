"""Write the table of scores, one row per caption with every metric: the input of comparisons, intervals and plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from molmix.core.files import read_rows_of, read_table, write_table
from molmix.metrics import Answers, Options, load_families
from molmix.models.precision import DTYPE


def write_scores(
    *,
    test: Path,
    direction: str,
    predictions: Path,
    judged: dict[str, Path],
    text2mol: Path | None,
    out: Path,
    options: dict[str, Any],
) -> None:
    """Score one model's answers on one test set by every family of metrics that applies.

    Args:
        test: the test set (columns of `molmix.data.corpus.TEST`).
        direction: `mol2cap` or `cap2mol`.
        predictions: the model's answers (columns id, text, finish).
        judged: by judge, the table that its scores are made from; empty if answers are molecules.
        text2mol: Text2Mol similarities, if they were measured.
        out: table to write: id, text, finish and a column for each score. Its metadata says in which number type the
            answers were written, as that of `predictions`.
        options: see :class:`molmix.metrics.Options`.

    Raises:
        MolmixError: the predictions, or tables made from them, do not belong to the test set.
    """
    rows = read_table(test).to_pylist()
    ids = [row["id"] for row in rows]
    answers = read_rows_of(predictions, ids, test, ["id", "text", "finish"])
    given = Answers(
        direction=direction,
        texts=answers["text"].to_pylist(),
        molecules=[row["molecule"] for row in rows],
        smiles=[row["smiles"] or row["molecule"] for row in rows],
        references=[row["references"] for row in rows],
        facts=[row["facts"] for row in rows],
        truth=[row["truth"] for row in rows],
        judged={judge: read_rows_of(path, ids, test) for judge, path in judged.items()},
        properties=[row["properties"] for row in rows],
        text2mol=read_rows_of(text2mol, ids, test) if text2mol else None,
        options=Options(**options),
    )
    chosen = (family for family in load_families() if direction == family.DIRECTION)
    measured = [columns for family in chosen if (columns := family.measure(given)) is not None]
    frame = pd.concat([answers.to_pandas(), *measured], axis=1)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    dtype = {key: value for key, value in (answers.schema.metadata or {}).items() if key == DTYPE.encode()}
    write_table(out, table.replace_schema_metadata({**table.schema.metadata, **dtype}))
