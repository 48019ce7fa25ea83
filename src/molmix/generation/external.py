"""Systems whose captions come from elsewhere: their files, joined to the references of every test set.

A system's captions are joined by id, by canonical molecule, or by order, as its config says. Every reference gets one
answer: an empty one, finish ``missing``, where the system has none for it, so that all systems of a test set are
measured on the same molecules. Whatever did not find its other half is counted and listed.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.errors import fault
from molmix.core.files import file_digest, read_json, read_table, write_json, write_table
from molmix.data.settings import Predictions
from molmix.data.smiles import normal
from molmix.data.tables import read
from molmix.generation.generate import ANSWERS

# What found no other half. `side` is `reference` (a molecule without a caption: `id` is its id), or `prediction` (a
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


def join(
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
        corpus: manifest of the corpus, which counts the rows of the references' sources.
        domain: `molecules` joins molecules by canonical SMILES, `text` by the text itself.
        outs: by test set, the table of answers to write (columns of :data:`molmix.generation.generate.ANSWERS`).
        unjoined: table to write (columns of :data:`UNJOINED`).
        manifest: the system's manifest to write.

    Raises:
        MolmixError: a file cannot be read, has another number of rows than the references it is joined to by order,
            names an id twice, or joins to no reference at all.
    """
    facts: dict[str, Any] = {"id": name, "kind": "external", "method": "file", "parents": []}
    facts |= {"inputs": {}, "joined": {}}
    alone: list[dict[str, Any]] = []
    for test, source in predictions.items():
        spec = Predictions(**source)
        written = _read(spec)
        references = read_table(tests[test], ["id", "molecule", "rows", "ids"]).to_pylist()
        way, places = _places(spec, references)
        if way == "order" and len(written) != (rows := read_json(corpus)["counts"][f"tests.{test}"]["read"]):
            what = f"has {len(written)} captions, and the references of {test} have {rows} rows"
            raise fault(spec.path, what, "give one caption a row, in the same order, or name a column to join by")
        found, lost = _match(written, places, way, domain)
        if not found:
            hint = f"check the file and the columns of systems.{name}.predictions.{test}"
            raise fault(spec.path, f"none of its {len(written)} captions joins a reference of {test} by {way}", hint)
        ids = [row["id"] for row in references]
        missing = [row for row in ids if row not in found]
        answers = [
            {"id": row, "text": found.get(row, ""), "finish": "stop" if row in found else "missing"} for row in ids
        ]
        write_table(outs[test], answers, ANSWERS)
        alone += [{"test": test, "side": "reference", "id": row, "why": "no caption for it"} for row in missing]
        alone += [{"test": test, "side": "prediction", **row} for row in lost]
        facts["inputs"][test] = {"path": spec.path, "digest": file_digest(spec.path)}
        facts["joined"][test] = {
            "by": way,
            "captions": len(written),
            "references": len(references),
            "joined": len(found),
            "empty": sum(not text.strip() for text in found.values()),
            "references_without_caption": len(missing),
            **dict(sorted(Counter(row["why"] for row in lost).items())),
        }
    write_table(unjoined, alone, UNJOINED)
    write_json(manifest, facts, checksum=True)


def _read(spec: Predictions) -> list[dict[str, Any]]:
    """Rows of a file of captions, numbered from 1; an absent caption is an empty one."""
    return [{**row, "text": row["text"] or "", "row": number} for number, row in enumerate(read(spec), start=1)]


def _places(spec: Predictions, references: list[dict[str, Any]]) -> tuple[str, dict[Any, str]]:
    """How captions are joined, and the id of the reference that each key leads to."""
    if spec.id:
        return "id", {other: row["id"] for row in references for other in row["ids"]}
    if spec.molecule:
        return "molecule", {row["molecule"]: row["id"] for row in references}
    return "order", {number: row["id"] for row in references for number in row["rows"]}


def _match(
    written: list[dict[str, Any]], places: dict[Any, str], way: str, domain: str
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The first caption for each reference's id, and the rows that are none."""
    found: dict[str, str] = {}
    lost = []
    for row in written:
        key: Any = row["row"]
        why = "no reference for it"
        if way == "id":
            key = str(row["id"])
        if way == "molecule":
            key = normal(row["molecule"], domain) if isinstance(row["molecule"], str) else None
            why = why if key else "unreadable molecule"
        reference = places.get(key)
        if reference is None:
            lost.append({"row": row["row"], "id": str(row.get("id") or row.get("molecule") or ""), "why": why})
        elif found.setdefault(reference, row["text"]) != row["text"]:
            lost.append({"row": row["row"], "id": reference, "why": "another caption for the same molecule"})
    return found, lost
