"""The audit of the decomposers: is each atom entailed by its caption, and the caption by its atoms?

A decomposer can fail in two ways. What it adds is an atom that its caption does not entail: it would be held against
the system that wrote the caption. What it loses is a caption that its atoms, told one after the other, do not entail:
it would never be judged. Both are asked of the judge's own NLI model, whose mistakes are in the figures too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.files import beside, digest, read_table
from molmix.nli.run import ask
from molmix.typeset import write_csv

THRESHOLD = 0.5  # of a probability: more likely than all else together
SHOWN = {
    "captions": "captions",
    "atoms": "atoms a caption",
    "atoms_entailed": "atoms entailed by their caption",
    "captions_entailed": "captions entailed by their atoms",
    "fallback": "left to `rules`",
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
    seed: int,
    csv: Path,
    markdown: Path,
) -> None:
    """Audit the decomposer of every atomic judge by its NLI model.

    Args:
        judges: by name, its ``decomposer`` and ``nli`` by their names.
        captions: by author and test set, a table with `text`, or `references` (of which the first is audited where
            there is one only: atoms of several captions belong to none of them).
        atoms: by decomposer, author and test set, what it made of them (columns of `molmix.decompose.tables.ATOMS`).
        models: manifests of the NLI models by name.
        nli: how each is asked: settings of :func:`molmix.nli.run.ask`.
        store: folder of the pair stores.
        sample: captions of an author and test set that are audited, drawn with the seed.
        seed: of the draw.
        csv, markdown: tables to write, a row a judge, author and test set: captions, mean number of atoms, shares of
            atoms and of captions that are entailed, the share of captions left to ``rules``, and ``unsplit`` (captions
            that are one atom).
    """
    rows = []
    for judge, spec in judges.items():
        for (author, test), path in captions.items():
            table = _drawn(path, atoms[spec["decomposer"], author, test], sample, seed)
            own = [(text, atom) for text, cut, _ in table for atom in cut]
            whole = [(" ".join(cut), text) for text, cut, _ in table]
            said = ask(
                [*own, *whole], model=models[spec["nli"]], store=store, name=f"{judge} {author}", **nli[spec["nli"]]
            )
            entailed = said["entailment"] >= THRESHOLD
            rows.append(
                {
                    "judge": judge,
                    **spec,
                    "author": author,
                    "test": test,
                    "captions": len(table),
                    "atoms": _mean([len(cut) for _, cut, _ in table]),
                    "atoms_entailed": _mean(entailed[: len(own)]),
                    "captions_entailed": _mean(entailed[len(own) :]),
                    "fallback": _mean([fell for *_, fell in table]),
                    "unsplit": _mean([len(cut) == 1 for _, cut, _ in table]),
                }
            )
    board = pd.DataFrame(rows)
    write_csv(board, csv)
    with beside(markdown) as temporary:
        temporary.write_text(_markdown(board), encoding="utf-8")


def _drawn(captions: Path, atoms: Path, sample: int, seed: int) -> list[tuple[str, list[str], bool]]:
    """Text, atoms and whether `rules` made them, of drawn captions that say something and stand alone."""
    rows = []
    for row, cut in zip(read_table(captions).to_pylist(), read_table(atoms).to_pylist(), strict=True):
        texts = row["references"] if "references" in row else [row["text"]]
        if len(texts) == 1 and cut["atoms"]:
            rows.append((digest("audit", seed, row["id"]), texts[0], cut["atoms"], cut["fallback"]))
    return [row[1:] for row in sorted(rows, key=lambda row: row[0])[:sample]]


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _markdown(board: pd.DataFrame) -> str:
    lines = ["# Audit of the decomposers", ""]
    keys = ["judge", "author", "test"]
    lines += ["| " + " | ".join([*keys, *SHOWN.values()]) + " |", "| --- " * len(keys) + "| ---: " * len(SHOWN) + "|"]
    for _, row in board.iterrows():
        cells = [str(row[key]) for key in keys] + [str(row["captions"]), f"{row['atoms']:.1f}"]
        cells += ["–" if np.isnan(row[name]) else f"{row[name]:.3f}" for name in list(SHOWN)[2:]]
        lines.append("| " + " | ".join(cells) + " |")
    return (
        "\n".join([*lines, "", "Entailed: by the judge's own NLI model, with a probability of a half or more."]) + "\n"
    )
