"""The audit of the decomposers: does each caption entail its atoms, and do the joined atoms entail the caption?

A decomposer can make two errors. It can add an atom that the caption does not entail: then the caption's system gets a
worse score. It can lose content, so that the joined atoms do not entail the caption: then this content is never judged.
The judge's own NLI model tests both, so the figures include its errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.analysis.provenance import provenance
from molmix.analysis.tables import Cell, Grid, figure, write_csv, write_pages
from molmix.core.files import digest, read_rows_of, read_table
from molmix.judges.kinds.atomic import THRESHOLD
from molmix.judges.nli.inference import predict_pairs

SHOWN = {
    "captions": "captions",
    "atoms": "atoms a caption",
    "atoms_entailed": "atoms entailed by their caption",
    "captions_entailed": "captions entailed by their atoms",
    "fallback": "left to rules",
}


def audit(
    *,
    judges: Mapping[str, dict[str, str]],
    captions: Mapping[tuple[str, str], Path],
    atoms: Mapping[tuple[str, str, str], Path],
    models: Mapping[str, Path],
    nli: Mapping[str, dict[str, Any]],
    store: Path,
    sample: int,
    seeds: Sequence[int],
    table: Path,
    config: str,
    corpus: Path,
) -> None:
    """Audit the decomposer of every atomic judge by its NLI model.

    Args:
        judges: by name, its ``decomposer`` and ``nli`` by their names.
        captions: by author and test set, a table with `text`, or `references` (audited only if a row has a single
            reference: atoms of several captions do not belong to one of them).
        atoms: by decomposer, author and test set, their atoms (columns of `molmix.judges.decompose.tables.ATOMS`).
        models: manifests of the NLI models by name.
        nli: settings of each model for :func:`molmix.judges.nli.inference.predict_pairs`.
        store: folder of the NLI caches.
        sample: number of audited captions of an author and test set, drawn with the seed.
        seeds: of the study; the first is that of the draw.
        table: to write as ``.csv``, ``.md`` and ``.tex``, one row per judge, author and test set: captions, mean number
            of atoms, shares of entailed atoms and of entailed captions, the share of captions split by ``rules``, and
            ``unsplit`` (captions that are one atom).
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
    """
    rows = []
    for judge, spec in judges.items():
        for (author, test), path in captions.items():
            drawn = _drawn(path, atoms[spec["decomposer"], author, test], sample, seeds[0])
            own = [(text, atom) for text, cut, _ in drawn for atom in cut]
            whole = [(" ".join(cut), text) for text, cut, _ in drawn]
            said = predict_pairs(
                [*own, *whole], model=models[spec["nli"]], cache=store, name=f"{judge} {author}", **nli[spec["nli"]]
            )
            entailed = said["entailment"] >= THRESHOLD
            rows.append(
                {
                    "judge": judge,
                    **spec,
                    "author": author,
                    "test": test,
                    "captions": len(drawn),
                    "atoms": _mean([len(cut) for _, cut, _ in drawn]),
                    "atoms_entailed": _mean(entailed[: len(own)]),
                    "captions_entailed": _mean(entailed[len(own) :]),
                    "fallback": _mean([fell for *_, fell in drawn]),
                    "unsplit": _mean([len(cut) == 1 for _, cut, _ in drawn]),
                }
            )
    board = pd.DataFrame(rows)
    write_csv(board, table.with_suffix(".csv"))
    words = ["Entailed: by the judge's own NLI model, with a probability of a half or more.", ""]
    below = provenance(config=config, seeds=seeds, corpus=corpus)
    write_pages("Audit of the decomposers", [_grid(board)], [*words, *below], table)


def _drawn(captions: Path, atoms: Path, sample: int, seed: int) -> list[tuple[str, list[str], bool]]:
    """Text, atoms and whether `rules` made them, of drawn captions that are not empty and have one text."""
    rows = []
    written = read_table(captions)
    found = read_rows_of(atoms, written["id"].to_pylist(), captions)
    for row, cut in zip(written.to_pylist(), found.to_pylist(), strict=True):
        texts = row["references"] if "references" in row else [row["text"]]
        if len(texts) == 1 and cut["atoms"]:
            rows.append((digest("audit", seed, row["id"]), texts[0], cut["atoms"], cut["fallback"]))
    return [row[1:] for row in sorted(rows, key=lambda row: row[0])[:sample]]


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _grid(board: pd.DataFrame) -> Grid:
    keys = ["judge", "author", "test"]
    rows = []
    for _, row in board.iterrows():
        cells = [str(row[key]) for key in keys] + [str(row["captions"]), f"{row['atoms']:.1f}"]
        cells += [figure(row[name]) for name in list(SHOWN)[2:]]
        rows.append([Cell(text) for text in cells])
    return Grid("atoms against captions, by author and test set", [*keys, *SHOWN.values()], rows, names=len(keys))
