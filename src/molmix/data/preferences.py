"""Preference pairs: chosen is the reference, rejected a weaker text for the same molecule.

``pairs``: one row a pair, columns of `PAIRS`. Chosen and rejected begin with the one space that parts them from
the prompt (see :mod:`molmix.data.prompts`). Pairs whose texts are equal teach nothing and are dropped and counted, as
are rows that no rejected text was found for.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.errors import fault
from molmix.core.files import digest, read_table, write_json, write_table
from molmix.data.prompts import answer, prompt
from molmix.data.settings import FileRejected
from molmix.data.smiles import normal
from molmix.data.tables import read

PAIRS = pa.schema([(name, pa.string()) for name in ("split", "id", "direction", "prompt", "chosen", "rejected")])


def pair(
    *,
    rows: dict[str, Path],
    rejected: dict[str, dict[str, Any]],
    texts: dict[str, Path],
    templates: dict[str, str],
    domain: str,
    share: float,
    pairs: Path,
    manifest: Path,
) -> None:
    """Pair every caption of a share of the training molecules, and of validation, with a rejected text.

    Args:
        rows: corpus tables by split, ``train`` (the subset) and ``validation``.
        rejected: the config's `preferences.rejected`, dumped, by direction.
        texts: by direction, the file of rejected texts, or the table that a model wrote (columns id, text).
        templates: prompt templates by direction.
        domain: `molecules` joins files by canonical SMILES, `text` by the text itself.
        share: of the training molecules, one of those that the subset was made for.
        pairs, manifest: files to write.

    Raises:
        MolmixError: a file of rejected texts is refused, or no pair is left.
    """
    made, counts = [], {}
    for direction, source in rejected.items():
        if source["kind"] == "file":
            by_molecule, unreadable = _from_file(FileRejected(**source | {"path": str(texts[direction])}), domain)
        else:
            by_id = {row["id"]: row["text"] for row in read_table(texts[direction]).to_pylist()}
        for split, path in rows.items():
            # Rows of validation bear no share: every alignment is validated on all of them.
            corpus = [row for row in read_table(path).to_pylist() if row.get("share", 0) <= share]
            tally = {"rows": len(corpus), "no_rejected_text": 0, "empty_rejected": 0, "equal_dropped": 0}
            used: dict[str, int] = defaultdict(int)
            for row in corpus:
                if source["kind"] == "file":
                    # Several captions of a molecule take its rejected texts in turn.
                    options = by_molecule.get(row["molecule"], [])
                    text = options[used[row["molecule"]] % len(options)] if options else None
                    used[row["molecule"]] += 1
                else:
                    text = by_id.get(row["id"])
                if text is None:
                    tally["no_rejected_text"] += 1
                    continue
                asked, wanted = ("molecule", "caption") if direction == "mol2cap" else ("caption", "molecule")
                chosen, worse = answer(row[wanted]), answer(text)
                if chosen == worse:
                    tally["equal_dropped"] += 1
                    continue
                # An empty answer is a bad answer: it stays, and is counted.
                tally["empty_rejected"] += not text.strip()
                made.append(
                    {
                        "split": split,
                        "id": row["id"],
                        "direction": direction,
                        "prompt": prompt(templates[direction], direction, row[asked]),  # type: ignore[arg-type]
                        "chosen": chosen,
                        "rejected": worse,
                    }
                )
            counts[f"{direction}.{split}"] = tally
            if source["kind"] == "file":
                tally["unparsable_in_file"] = unreadable
    if not any(row["split"] == "train" for row in made):
        raise fault("preferences", f"no pair is left ({counts})", "give rejected texts that differ from the captions")
    write_table(pairs, made, PAIRS)
    write_json(manifest, {"pairs": len(made), "counts": counts, "digest": digest(made)}, checksum=True)


def _from_file(source: FileRejected, domain: str) -> tuple[dict[str, list[str]], int]:
    """Rejected texts by canonical molecule, and how many rows' SMILES could not be read."""
    texts: dict[str, list[str]] = defaultdict(list)
    unreadable = 0
    for row in read(source):
        molecule = normal(row["molecule"], domain)
        if molecule is None:
            unreadable += 1
        else:
            texts[molecule].append(row["text"])
    return texts, unreadable
