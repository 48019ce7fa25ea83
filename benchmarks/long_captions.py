"""Does a long caption hide an error? The same edits in short and in long captions, judged by `atomic`.

``python -m benchmarks.long_captions CAPTIONS.tsv NLI [ROWS]``: a table with a column `description` without quoting (as
that of PubChem324k), the folder of an NLI model, and the number of captions of each length (20). Errors are planted
into the references, and into captions of a pretended system: the reference without every third sentence, and with one
sentence of the next molecule.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common import command, count, folder, read_rows, table_with
from molmix import Judge
from molmix.analysis.judge_validation.perturbations import EDITS
from molmix.analysis.judge_validation.planting import plant
from molmix.analysis.judge_validation.sensitivity import measure_sensitivity
from molmix.judges.decompose.units import sentences
from molmix.judges.kinds import DIRECTIONS

WORDS = {"short": (20, 45), "long": (101, 200)}
SCORES = ("atomic_f1", "atomic_precision", "supported", "hallucination", "coverage")
DOSES = (1, 3)


def main(captions: Path, nli: Path, rows: int) -> None:
    """Print the tables."""
    texts = sorted({row["description"] for row in read_rows(captions)})
    judge = Judge("atomic", nli=str(nli))
    for length, (least, most) in WORDS.items():
        variants = planted([text for text in texts if least <= len(text.split()) <= most], rows)
        scores = judge.score([row["references"] for row in variants], [row["text"] for row in variants])
        frame = pd.concat([pd.DataFrame(variants)[["of", "author", "edit", "k"]], scores[[*SCORES]]], axis=1)
        for author, own in frame.groupby("author"):
            control = own.loc[own["edit"] == "none", "atomic_f1"]
            print(
                f"\n{length}, {author}: {len(control)} captions, F1 {control.mean():.2f}, deviation {control.std():.2f}"
            )
            measured = measure_sensitivity(own, {name: DIRECTIONS[name] for name in SCORES}, resamples=2)
            for figure in ("auroc", "paired_auroc", "change"):
                for k in DOSES:
                    cells = measured[measured["k"] == k].pivot(index="column", columns="edit", values=figure)
                    print(
                        f"{figure}, {k} edit(s)\n{cells[[e for e in EDITS if e in cells]].round(2).to_string()}",
                        flush=True,
                    )


def planted(texts: Sequence[str], rows: int) -> list[dict[str, Any]]:
    """The captions and their variants."""
    names = [f"{number:04}" for number in range(len(texts))]
    corpus = [
        {"id": name, "references": [text], "facts": None, "truth": None}
        for name, text in zip(names, texts, strict=True)
    ]
    told = [sentences(text) for text in texts]
    pretended = {
        name: " ".join([*(one for index, one in enumerate(own) if index % 3 != 2), other[0]])
        for name, own, other in zip(names, told, [*told[1:], told[0]], strict=True)
    }
    return plant(corpus, edits=EDITS, doses=DOSES, molecules=rows, seed=1, systems={"pretended": pretended})


if __name__ == "__main__":
    command(
        main,
        captions={"type": table_with("description")},
        nli={"type": folder},
        rows={"type": count, "nargs": "?", "default": 20},
    )
