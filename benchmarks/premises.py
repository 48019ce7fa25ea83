"""Which premises, alignment and threshold suit the judge `atomic`? Planted errors, judged by several of its settings.

``python -m benchmarks.premises TEST.tsv SYSTEM.tsv NLI [ROWS] [STORE]``: references (columns `CID`, `SMILES` and
`description`, without quoting) and a system's captions (`SMILES` and `output`), as those of ChEBI-20, the folder of an
NLI model, the number of molecules (60), and the folder of the caches. It prints AUROC within pairs of atomic F1 for
edited references and for edited captions of the system, each compared with its own original.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common import command, count, folder, read_rows, table_with
from molmix import Judge
from molmix.analysis.judge_validation.perturbations import EDITS
from molmix.analysis.judge_validation.planting import plant
from molmix.analysis.judge_validation.sensitivity import measure_sensitivity

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"alignment": "one_to_one"},
    {"threshold": 0.01},
    {"threshold": 0.7},
    {"threshold": 0.9},
    {"threshold": 1.0},
    {"alignment": "one_to_one", "threshold": 0.9},
    {"premises": "text"},
    {"premises": "infuse"},
    {"premises": "infuse", "threshold": 0.9},
)


def main(test: Path, system: Path, nli: Path, rows: int, store: Path) -> None:
    """Print the tables."""
    written = {row["SMILES"]: row["output"] for row in read_rows(system)}
    references = read_rows(test)
    corpus = [
        {"id": row["CID"], "references": [row["description"]], "molecule": row["SMILES"], "facts": None, "truth": None}
        for row in references
    ]
    systems = {"system": {row["CID"]: written.get(row["SMILES"], "") for row in references}}
    variants = plant(corpus, edits=EDITS, doses=[1], molecules=rows, seed=1, systems=systems)
    frame = pd.DataFrame(variants)[["of", "author", "edit", "k"]]
    names = []
    for settings in SETTINGS:
        names.append(", ".join(map(str, settings.values())) or "default")
        judge = Judge("atomic", nli=str(nli), store=store, **settings)
        texts = [row["references"] for row in variants], [row["text"] for row in variants]
        frame[names[-1]] = judge.score(*texts)["atomic_f1"]
    for author, own in frame.groupby("author"):
        measured = measure_sensitivity(own, dict.fromkeys(names, "higher"), resamples=2)
        cells = measured[measured["k"] == 1].pivot(index="column", columns="edit", values="paired_auroc")
        counts = measured[measured["column"] == names[0]].set_index("edit")["n"]
        print(f"\n{author}; captions by edit: {counts[~counts.index.duplicated()].to_dict()}")
        print(cells.loc[names, [edit for edit in EDITS if edit in cells]].round(2).to_string(), flush=True)


if __name__ == "__main__":
    command(
        main,
        test={"type": table_with("CID", "SMILES", "description")},
        system={"type": table_with("SMILES", "output")},
        nli={"type": folder},
        rows={"type": count, "nargs": "?", "default": 60},
        store={"type": Path, "nargs": "?", "default": "results/store"},
    )
