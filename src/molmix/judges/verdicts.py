"""The stage of judges that ask no NLI model: a verdict on every unit of an author's captions."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.files import read_rows_of, read_table, write_table
from molmix.judges.kinds import VerdictJudge, parse_judge
from molmix.judges.kinds._judge import JudgedCaption
from molmix.judges.nli.pairs import written_text

# A row for each caption. `fallback`: whether `rules` made units, because the decomposer's answer could not be used.
# `verdicts` and `reasons` are of the caption's units, `covered` of the reference's (empty if the judge gives none).
VERDICTS = pa.schema(
    [
        ("id", pa.string()),
        ("n_generated", pa.int32()),
        ("n_reference", pa.int32()),
        ("fallback", pa.bool_()),
        *((name, pa.list_(pa.string())) for name in ("verdicts", "reasons", "covered")),
    ]
)

log = logging.getLogger(__name__)


def write_verdicts(
    *,
    captions: Path,
    references: Path,
    units: tuple[Path, Path],
    out: Path,
    settings: dict[str, Any],
    cache: Path,
) -> None:
    """Judge the captions of one author and test set.

    Args:
        captions: table with the columns id and text, or id and references if the author is the reference.
        references: table of the same rows, with the columns id, references and, if there are molecules, molecule.
        units: tables of the units of the references and of the captions.
        out: the table to write, columns of :data:`VERDICTS`.
        settings: of the judge, dumped.
        cache: folder for the answers of models that are asked.

    Raises:
        MolmixError: the tables do not belong together, or the judge asks a model that does not answer.
    """
    judge = parse_judge(settings)
    assert isinstance(judge, VerdictJudge)
    written = read_table(captions).to_pylist()
    ids = [row["id"] for row in written]
    given = read_rows_of(references, ids, captions).to_pylist()
    reference, generated = (read_rows_of(path, ids, captions).to_pylist() for path in units)
    rows = [
        JudgedCaption(
            generated=said["atoms"],
            reference=due["atoms"],
            text=written_text(row),
            references=source["references"],
            molecule=source.get("molecule"),
        )
        for row, source, due, said in zip(written, given, reference, generated, strict=True)
    ]
    found = judge.judge(rows, cache)
    log.info("%s: %s", out.stem, dict(Counter(word for one in found for word in one.generated)))
    table = [
        {
            "id": name,
            "n_generated": len(said["atoms"]),
            "n_reference": len(due["atoms"]),
            "fallback": said["fallback"] or due["fallback"],
            "verdicts": one.generated,
            "reasons": one.reasons,
            "covered": one.covered,
        }
        for name, said, due, one in zip(ids, generated, reference, found, strict=True)
    ]
    write_table(out, table, VERDICTS)
