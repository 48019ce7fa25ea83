"""Systems that write no caption but find one: the caption of the most similar molecule, as baselines of known order.

``python -m benchmarks.retrieval TRAIN.tsv TEST.tsv FOLDER``: columns SMILES and description, without quoting. Writes a
file of captions (SMILES, output) for each system: ``nearest-100``, ``nearest-10`` and ``nearest-1`` search that percent
of the training molecules by the Tanimoto similarity of Morgan fingerprints, as MolReGPT (arXiv 2306.06615) does for its
examples. ``any`` takes the caption of a random molecule.
"""

from __future__ import annotations

import random
from pathlib import Path

from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from rdkit.DataStructs import BulkTanimotoSimilarity
from rdkit.DataStructs.cDataStructs import ExplicitBitVect

from benchmarks.common import command, read_rows, table_with
from molmix.data.smiles import parse_smiles

PERCENTS = (100, 10, 1)


def main(train: Path, test: Path, folder: Path) -> None:
    """Write the captions of all systems."""
    rows, drawn = _molecules_and_captions(train), random.Random(1)
    drawn.shuffle(rows)
    known = [(print_, caption) for smiles, caption in rows if (print_ := _fingerprint(smiles))]
    searched = {f"nearest-{percent}": known[: max(len(known) * percent // 100, 1)] for percent in PERCENTS}
    written: dict[str, list[tuple[str, str]]] = {name: [] for name in (*searched, "any")}
    for smiles, _ in _molecules_and_captions(test):
        own = _fingerprint(smiles)
        for name, molecules in searched.items():
            likeness = BulkTanimotoSimilarity(own, [print_ for print_, _ in molecules]) if own else [0.0]
            written[name].append((smiles, molecules[max(range(len(likeness)), key=likeness.__getitem__)][1]))
        written["any"].append((smiles, drawn.choice(known)[1]))
    folder.mkdir(parents=True, exist_ok=True)
    for name, captions in written.items():
        lines = ["SMILES\toutput", *("\t".join(row) for row in captions)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _molecules_and_captions(path: Path) -> list[tuple[str, str]]:
    return [(row["SMILES"], row["description"]) for row in read_rows(path)]


def _fingerprint(smiles: str) -> ExplicitBitVect | None:
    molecule = parse_smiles(smiles.replace("\\\\", "\\"))
    return GetMorganGenerator(radius=2).GetFingerprint(molecule) if molecule else None


if __name__ == "__main__":
    known = {"type": table_with("SMILES", "description")}
    command(main, train=known, test=known, folder={"type": Path})
