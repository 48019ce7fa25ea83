"""The judge `grounded` on real captions: `python -m benchmarks.grounded TABLES…` (columns SMILES and description).

Writes two tables in Markdown. The first has, for each file and kind of statement, how many parts of the references'
atoms the structure decides, and the share that is true. The second has, for each planted error (one in a caption, all
files together), the share of captions with more false atoms than their reference has.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import command, read_rows, table_with
from molmix.analysis.judge_validation.perturbations import EDITS
from molmix.analysis.judge_validation.planting import plant
from molmix.judges.decompose.backends.rules import decompose
from molmix.judges.structure import Structure, decide, decisions_of, structure_of

PLANTED = 400  # references that get errors


def main(tables: list[Path]) -> None:
    """Measure all files."""
    rows = {path: list(_rows(path)) for path in tables}
    found: dict[str, dict[Path, Counter[bool]]] = defaultdict(lambda: defaultdict(Counter))
    for path, own in rows.items():
        for row, atoms in zip(own, decompose([row["references"][0] for row in own]), strict=True):
            structure = structure_of(row["molecule"])
            for atom in atoms if structure else ():
                assert structure
                parts = list(decisions_of(atom, structure))
                for part in parts:
                    found[part.kind][path][part.true] += 1
                if parts:
                    found["atoms decided"][path][all(part.true for part in parts)] += 1
            found["atoms"][path].update([True] * len(atoms))
    print("| kind |", " | ".join(f"{path.name}: n | true" for path in tables), "|")
    for kind, by_path in found.items():
        cells = [
            f"{by_path[path].total()} | {by_path[path][True] / (by_path[path].total() or 1):.3f}" for path in tables
        ]
        print(f"| {kind} |", " | ".join(cells), "|")
    planted = plant([row for own in rows.values() for row in own], edits=EDITS, doses=[1], molecules=PLANTED, seed=1)
    false: dict[str, int] = {}
    detected: dict[str, list[bool]] = defaultdict(list)
    for variant in planted:
        structure = structure_of(variant["molecule"])
        number = _count_false(variant["text"], structure) if structure else 0
        if variant["edit"] == "none":
            false[variant["of"]] = number
        else:
            detected[variant["edit"]].append(number > false[variant["of"]])
    for edit, seen in detected.items():
        print(f"| {edit} | {len(seen)} | {sum(seen) / len(seen):.2f} |")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_rows(path)):
        smiles = line["SMILES"].replace("\\\\", "\\")
        texts = {"references": [line["description"]], "facts": None, "truth": None}
        yield {"id": f"{path.stem}-{number}", "molecule": smiles} | texts


def _count_false(text: str, structure: Structure) -> int:
    found = (decide(atom, structure) for atom in decompose([text])[0])
    return sum(decision is not None and not decision.true for decision in found)


if __name__ == "__main__":
    command(main, tables={"type": table_with("SMILES", "description"), "nargs": "+"})
