"""The molecule-caption corpus of the embedded world, with test sets in and out of distribution."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pandas as pd

from molmix.core.errors import fault
from molmix.data.synthetic.captions import caption
from molmix.data.synthetic.facts import facts
from molmix.data.synthetic.long import long_rows
from molmix.data.synthetic.molecules import Molecule
from molmix.data.synthetic.molecules import molecules as build

SHARES = {"ood": 0.08, "id": 0.08, "validation": 0.015}  # the rest is train
FEWEST = 50  # molecules, so that no split is empty


def corpus(molecules: int, seed: int) -> pd.DataFrame:
    """One row per molecule. The same seed gives the same corpus.

    Columns: ``id`` (``w00017``), ``molecule`` (canonical SMILES), ``caption``, ``facts`` (list of those the
    caption states), ``truth`` (list of all true facts), ``scaffold`` (Bemis-Murcko SMILES, empty without a
    ring) and ``split``. Scaffolds of ``ood`` are in no other split. All scaffolds of ``id`` and ``validation`` are also
    in ``train``.
    """
    if molecules < FEWEST:
        raise fault("world.molecules", f"{molecules} are too few to split", f"ask for {FEWEST} at least")
    built = build(molecules, seed)
    rng = Random(f"corpus {seed}")
    splits = _splits(built, rng)
    rows = []
    for number, (molecule, split) in enumerate(zip(built, splits, strict=True)):
        truth = facts(molecule.smiles)
        text, stated = caption(truth, rng)
        rows.append((f"w{number:05d}", molecule.smiles, text, stated, truth, molecule.scaffold, split))
    return pd.DataFrame(rows, columns=["id", "molecule", "caption", "facts", "truth", "scaffold", "split"])


def world_table(molecules: int, seed: int) -> pd.DataFrame:
    """The corpus and the split ``long``: the molecules of ``id`` with captions of 100 words and more."""
    frame = corpus(molecules, seed)
    return pd.concat([frame, long_rows(frame[frame["split"] == "id"], seed)], ignore_index=True)


def _splits(built: Sequence[Molecule], rng: Random) -> list[str]:
    """The split of each molecule."""
    sizes = {split: round(share * len(built)) for split, share in SHARES.items()}
    members = Counter(molecule.scaffold for molecule in built)
    held_out = _held_out(members, sizes["ood"], rng)
    splits = ["ood" if molecule.scaffold in held_out else "train" for molecule in built]
    # A molecule leaves train only if another one with its scaffold stays there.
    order = rng.sample(range(len(built)), len(built))
    for split in ("id", "validation"):
        for index in order:
            scaffold = built[index].scaffold
            if sizes[split] and splits[index] == "train" and members[scaffold] > 1:
                splits[index] = split
                members[scaffold] -= 1
                sizes[split] -= 1
    return splits


def _held_out(members: Counter[str], size: int, rng: Random) -> set[str]:
    """Random scaffolds with about ``size`` molecules in all; molecules without a ring have no scaffold."""
    drawn: set[str] = set()
    for scaffold in rng.sample(sorted(members), len(members)):
        if scaffold and members[scaffold] <= size:
            drawn.add(scaffold)
            size -= members[scaffold]
    return drawn
