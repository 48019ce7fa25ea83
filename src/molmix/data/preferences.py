"""Preference pairs: chosen is the reference text, rejected a weaker text for the same molecule.

A table of pairs has one row per pair, with the columns of `PAIRS`. Chosen and rejected text begin with the one space
that separates them from the prompt (see :mod:`molmix.data.prompts`). A row gives no pair if it has no rejected text, if
that text is empty, or if both texts are equal. Each reason is counted. Without a source of rejected texts, every row
gives a pair whose rejected text is empty, for methods that read none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.errors import fault
from molmix.core.files import digest, read_table, write_json, write_table
from molmix.data.prompts import answer, prompt
from molmix.data.settings import FileRejected
from molmix.data.smiles import canonical, join_key
from molmix.data.sources import read_rows

PAIRS = pa.schema([(name, pa.string()) for name in ("split", "id", "direction", "prompt", "chosen", "rejected")])
# Per direction: the column that the prompt shows, and the column that the model writes.
SIDES = {"mol2cap": ("molecule", "caption"), "cap2mol": ("caption", "molecule")}
MOST_EMPTY = 0.5  # if a larger share of rejected texts is empty, their file or their model is broken

Row = dict[str, Any]
# The rejected text of a row of a split, and the chosen one if it is not the reference; None if there is none.
Finder = Callable[[str, Row], tuple[str | None, str | None]]


def rejection_prompts(corpus: Mapping[str, Path], direction: str, template: str) -> tuple[list[str], list[str]]:
    """Ids and prompts with which a model writes the rejected texts of several splits.

    Args:
        corpus: corpus tables by split.
        direction: ``mol2cap`` or ``cap2mol``.
        template: the model's prompt template for this direction.

    Returns:
        Ids as :func:`row_id` makes them, and the prompts, in the order of the splits and their rows.
    """
    rows = [(split, row) for split, path in corpus.items() for row in read_table(path).to_pylist()]
    ids = [row_id(split, row["id"]) for split, row in rows]
    return ids, [prompt(template, direction, row[SIDES[direction][0]]) for _, row in rows]


def row_id(split: str, row: str) -> str:
    """Id of a row among several splits; its own id is unique only in the source that it was read from."""
    return f"{split}/{row}"


def build_pairs(
    *,
    corpus: Mapping[str, Path],
    rejected: Mapping[str, dict[str, Any] | None],
    texts: dict[str, Path],
    templates: dict[str, str],
    domain: str,
    share: float,
    pairs: Path,
    manifest: Path,
) -> None:
    """Pair every caption of a share of the training molecules, and of validation, with a rejected text.

    Args:
        corpus: corpus tables by split, ``train`` (the subset) and ``validation``.
        rejected: the config's `preferences.rejected`, dumped, by direction; None for pairs without rejected texts.
        texts: by direction, the file of rejected texts, or the table that a model wrote (columns id and text, and
            `chosen` if the chosen text is not the reference; the ids of :func:`rejection_prompts`).
        templates: prompt templates by direction.
        domain: `molecules` joins files by canonical SMILES, `text` by the text itself.
        share: of the training molecules; one of the shares that the subset was made for.
        pairs, manifest: files to write.

    Raises:
        MolmixError: a file of rejected texts is refused, most rejected texts of a split are empty, or no training pair
            is left.
    """
    built: list[Row] = []
    counts: dict[str, dict[str, int]] = {}
    for direction, source in rejected.items():
        find: Finder | None = None
        in_file: dict[str, int] = {}
        if source and source["kind"] == "file":
            find, in_file = _from_file(FileRejected(**source | {"path": str(texts[direction])}), domain)
        elif source:
            find = _from_model(texts[direction])
        for split, path in corpus.items():
            # Rows of validation have no share: every alignment is validated on all of them.
            rows = [row for row in read_table(path).to_pylist() if row.get("share", 0) <= share]
            made, tally = _pairs(rows, find, split, direction, templates[direction])
            built += made
            counts[f"{direction}.{split}"] = tally | in_file
    if not any(row["split"] == "train" for row in built):
        hint = "give non-empty rejected texts that differ from the captions"
        raise fault("preferences", f"no training pair is left ({counts})", hint)
    write_table(pairs, built, PAIRS)
    write_json(manifest, {"pairs": len(built), "counts": counts, "digest": digest(built)}, checksum=True)


def _pairs(
    rows: list[Row], find: Finder | None, split: str, direction: str, template: str
) -> tuple[list[Row], dict[str, int]]:
    """The pairs of one split and direction, and the number of rows without a pair, by reason.

    Without `find`, rejected texts are empty.
    """
    shown, wanted = SIDES[direction]
    tally = {"rows": len(rows), "no_rejected_text": 0, "empty_dropped": 0, "equal_dropped": 0}
    pairs = []
    for row in rows:
        text, better = find(split, row) if find else ("", None)
        if text is None:
            tally["no_rejected_text"] += 1
            continue
        chosen, rejected = answer(row[wanted] if better is None else better), answer(text)
        if find and not rejected.strip():
            tally["empty_dropped"] += 1
        elif chosen == rejected:
            tally["equal_dropped"] += 1
        else:
            texts = {"prompt": prompt(template, direction, row[shown]), "chosen": chosen, "rejected": rejected}
            pairs.append({"split": split, "id": row["id"], "direction": direction, **texts})
    found = len(rows) - tally["no_rejected_text"]
    if tally["empty_dropped"] > MOST_EMPTY * found:
        what = f"{tally['empty_dropped']} of {found} rejected texts of {split} are empty"
        raise fault(f"preferences.rejected.{direction}", what, "check the file or the model that these texts come from")
    return pairs, tally


def _from_model(table: Path) -> Finder:
    """Find the rejected text of a row by its split and id, and the chosen one if the table has it."""
    texts = {row["id"]: (row["text"], row.get("chosen")) for row in read_table(table).to_pylist()}
    return lambda split, row: texts.get(row_id(split, row["id"]), (None, None))


def _from_file(source: FileRejected, domain: str) -> tuple[Finder, dict[str, int]]:
    """Find the rejected text of a row by its molecule, and count the file's rows whose SMILES RDKit cannot read.

    If a molecule has several rows, they use its texts in turn.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    unreadable = 0
    for row in read_rows(source):
        texts[join_key(row["molecule"], domain)].append(row["text"])
        unreadable += domain == "molecules" and canonical(row["molecule"]) is None
    used: dict[tuple[str, str], int] = defaultdict(int)

    def find(split: str, row: Row) -> tuple[str | None, str | None]:
        options = texts.get(row["molecule"])
        used[split, row["molecule"]] += 1
        return options[(used[split, row["molecule"]] - 1) % len(options)] if options else None, None

    return find, {"unparsable_in_file": unreadable}
