"""Captions of external systems: files that are joined to the references of every test set.

The config of a system says whether its captions are joined by id, by canonical molecule or by order. Every reference
gets one answer. If the system has no caption for it, the answer is empty and its finish is ``missing``, so that all
systems of a test set are measured on the same molecules. References without a caption and captions without a reference
are counted and listed.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.errors import counted, fault, show_value
from molmix.core.files import file_digest, read_json, read_table, write_json, write_table
from molmix.data.settings import Predictions
from molmix.data.smiles import canonical, join_key
from molmix.data.sources import read_rows
from molmix.generation.generate import ANSWERS

Row = dict[str, Any]

# A system with a larger share of captions that equal their references is likely to be a copy of the references: the
# tables warn.
COPIES_LIMIT = 0.9

NO_REFERENCE, UNREADABLE = "no reference for it", "unreadable molecule"
ANOTHER = "another caption for the same molecule"
UNUSED = (NO_REFERENCE, UNREADABLE, ANOTHER)  # reasons why a caption is not used; keys of `joined` in the manifest

# Rows that were not joined. `side` is `reference` (a molecule without a caption: `id` is its id), or `prediction` (a
# caption without a molecule: `row` is its row in the file, `why` the reason).
UNJOINED = pa.schema(
    [
        ("test", pa.string()),
        ("side", pa.string()),
        ("row", pa.int32()),
        ("id", pa.string()),
        ("why", pa.string()),
    ]
)

log = logging.getLogger(__name__)


def join_captions(
    *,
    name: str,
    predictions: dict[str, dict[str, Any]],
    tests: dict[str, Path],
    corpus: Path,
    domain: str,
    outs: dict[str, Path],
    unjoined: Path,
    manifest: Path,
) -> None:
    """Join a system's captions to every test set.

    Args:
        name: the system's id in the model table.
        predictions: by test set, the config's `systems[].predictions`, dumped.
        tests: the test sets (columns of :data:`molmix.data.corpus.TEST`).
        corpus: manifest of the corpus, with the number of rows that were read for each test set.
        domain: `molecules` joins molecules by canonical SMILES, `text` by the text itself.
        outs: by test set, the table of answers to write (columns of :data:`molmix.generation.generate.ANSWERS`).
        unjoined: table to write (columns of :data:`UNJOINED`).
        manifest: the system's manifest to write.

    Raises:
        MolmixError: a file cannot be read, has another number of rows than the references (if joined by order), names
            an id twice, or joins to no reference.
    """
    facts: dict[str, Any] = {"id": name, "kind": "external", "method": "file", "parents": []}
    facts |= {"inputs": {}, "joined": {}}
    without: list[Row] = []
    for test, source in predictions.items():
        spec = Predictions(**source)
        captions = _read_captions(spec)
        references = read_table(tests[test], ["id", "molecule", "smiles", "references", "rows", "ids"]).to_pylist()
        by, ids_by_key = _join_keys(spec, references)
        if by == "order" and len(captions) != (rows := read_json(corpus)["counts"][f"tests.{test}"]["read"]):
            what = f"has {counted(len(captions), 'caption')}, and the references of {test} have {counted(rows, 'row')}"
            raise fault(spec.path, what, "give one caption a row, in the same order, or name a column to join by")
        found, lost = _match(captions, ids_by_key, by, domain)
        if not found:
            keys = f"here {show_value(_key(captions[0], by, domain))}, there {show_value(next(iter(ids_by_key)))}"
            hint = f"compare the first of each ({keys}), and check the columns of systems.{name}.predictions.{test}"
            raise fault(spec.path, f"none of its {len(captions)} captions joins a reference of {test} by {by}", hint)
        ids = [row["id"] for row in references]
        missing = [row for row in ids if row not in found]
        answers = [
            {"id": row, "text": found.get(row, ""), "finish": "stop" if row in found else "missing"} for row in ids
        ]
        write_table(outs[test], answers, ANSWERS)
        without += [{"test": test, "side": "reference", "id": row, "why": "no caption for it"} for row in missing]
        without += [{"test": test, "side": "prediction", **row} for row in lost]
        facts["inputs"][test] = {"path": spec.path, "digest": file_digest(spec.path)}
        facts["joined"][test] = {
            "by": by,
            "captions": len(captions),
            "references": len(references),
            "joined": len(found),
            "empty": sum(not text.strip() for text in found.values()),
            "references_without_caption": len(missing),
            **dict(sorted(Counter(row["why"] for row in lost).items())),
        }
        if copies := sum(_is_copy(found[row["id"]], row) for row in references if row["id"] in found):
            facts["joined"][test]["copies"] = copies
            if copies > COPIES_LIMIT * len(found):
                log.warning("%s: %d of %d captions are copies of their references", spec.path, copies, len(found))
    write_table(unjoined, without, UNJOINED)
    write_json(manifest, facts, checksum=True)


def _is_copy(text: str, reference: Row) -> bool:
    """Whether a text equals a reference letter by letter: a caption of the molecule, or its SMILES as it is written."""
    written = (*reference["references"], reference["smiles"] or reference["molecule"])
    return bool(text.strip()) and text.strip() in {known.strip() for known in written if known}


def _read_captions(spec: Predictions) -> list[Row]:
    """Rows of a file of captions, numbered from 1; a missing caption is read as an empty one."""
    return [{**row, "text": row["text"] or "", "row": number} for number, row in enumerate(read_rows(spec), start=1)]


def _join_keys(spec: Predictions, references: list[Row]) -> tuple[str, dict[Any, str]]:
    """The kind of join (`id`, `molecule` or `order`), and the id of the reference for each key."""
    if spec.id:
        return "id", {key: row["id"] for row in references for key in row["ids"]}
    if spec.molecule:
        return "molecule", {row["molecule"]: row["id"] for row in references}
    return "order", {number: row["id"] for row in references for number in row["rows"]}


def _key(caption: Row, by: str, domain: str) -> Any:
    """The join key of a caption."""
    if by == "molecule":
        return join_key(str(caption.get("molecule") or ""), domain)
    return str(caption.get("id")) if by == "id" else caption["row"]


def _match(captions: list[Row], ids_by_key: dict[Any, str], by: str, domain: str) -> tuple[dict[str, str], list[Row]]:
    """The first caption for each reference's id, and the rows of the file that are not used."""
    found: dict[str, str] = {}
    lost = []
    for row in captions:
        molecule = str(row.get("molecule") or "")
        reference = ids_by_key.get(_key(row, by, domain))
        if reference is None:
            is_readable = by != "molecule" or (canonical(molecule) if domain == "molecules" else molecule.strip())
            why = NO_REFERENCE if is_readable else UNREADABLE
            lost.append({"row": row["row"], "id": str(row.get("id") or molecule), "why": why})
        elif found.setdefault(reference, row["text"]) != row["text"]:
            lost.append({"row": row["row"], "id": reference, "why": ANOTHER})
    return found, lost
