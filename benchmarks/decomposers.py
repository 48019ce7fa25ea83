"""How well does a language model split captions into atoms? It and the decomposer `clauses`, on the same captions.

``python -m benchmarks.decomposers TEST.tsv MODEL [ROWS] [ADDRESS] [STORE]``: captions (a column `description`, without
quoting), as those of ChEBI-20; the folder of an instruct model; the number of captions (48); the address of an
OpenAI-compatible server that runs the same model, or `-` for none; and the folder of the answers, which are not asked
again. For a server of transformers::

    transformers serve MODEL --port 8000 --dtype float32
    python -m benchmarks.decomposers test.tsv MODEL 48 http://localhost:8000/v1

It prints a table with a row for each backend and prompt, and writes all atoms to ``STORE/atoms.md``.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import command, count, folder, read_rows, table_with
from molmix.judges.decompose import Decomposed, decompose
from molmix.judges.decompose.answers import REASONS
from molmix.judges.decompose.prompt import PRESETS
from molmix.judges.decompose.text import sentence

LONGEST = 256  # tokens of an answer: more than the atoms of most captions take
COLUMNS = (
    "backend",
    "prompt",
    "asked",
    "s a caption",
    "left to rules",
    "why",
    "atoms a caption",
    "in clauses",
    "of clauses",
)


def main(test: Path, model: Path, rows: int, address: str, store: Path) -> None:
    """Print the table."""
    every = [row["description"] for row in read_rows(test)]
    captions = random.Random(1).sample(every, min(rows, len(every)))
    clauses = decompose(captions, {"backend": "clauses"})
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    atoms = {"clauses": clauses.atoms}
    for settings in _settings(str(model), address):
        begin = time.perf_counter()
        done = decompose(captions, settings, cache=store, weights=model)
        seconds = time.perf_counter() - begin
        name = "cross_nli" if "prompt" in settings else "default"
        row = (settings["backend"], name, *_figures(done, clauses, seconds))
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        atoms[f"{settings['backend']}, {name}"] = [
            [] if left else own for own, left in zip(done.atoms, done.fallback, strict=True)
        ]
    with (store / "atoms.md").open("w", encoding="utf-8") as out:
        for index, caption in enumerate(captions):
            out.write(f"\n# {caption}\n")
            for name, by_caption in atoms.items():
                out.write(f"\n{name}:\n\n" + "".join(f"- {atom}\n" for atom in by_caption[index]))


def _settings(model: str, address: str) -> Iterator[dict[str, Any]]:
    for prompt in ({}, *({"prompt": preset} for preset in PRESETS)):
        yield {"backend": "transformers", "id": model, "max_new_tokens": LONGEST, **prompt}
        if address != "-":
            server = {"base_url": address, "model": model, "key_variable": None, "concurrency": 1, "timeout": 600}
            yield {"backend": "openai", "max_new_tokens": LONGEST, **server, **prompt}


def _figures(done: Decomposed, clauses: Decomposed, seconds: float) -> tuple[object, ...]:
    """Cells of a row. Atoms are compared for captions that the model split, in any case and order."""
    counts, asked = done.counts, done.counts["asked"]
    reasons = (f"{name} {counts[f'fallback_{name}']}" for name in REASONS if counts[f"fallback_{name}"])
    own, theirs, both = 0, 0, 0
    split = [index for index, left in enumerate(done.fallback) if not left]
    for index in split:
        mine, other = ({sentence(atom).casefold() for atom in some.atoms[index]} for some in (done, clauses))
        own, theirs, both = own + len(mine), theirs + len(other), both + len(mine & other)
    return (
        asked,
        f"{seconds / asked:.1f}" if asked else "",
        f"{counts['fallback']} of {counts['captions']}",
        ", ".join(reasons),
        f"{own / len(split):.2f}" if split else "",
        f"{both / own:.2f}" if own else "",
        f"{both / theirs:.2f}" if theirs else "",
    )


if __name__ == "__main__":
    command(
        main,
        test={"type": table_with("description")},
        model={"type": folder},
        rows={"type": count, "nargs": "?", "default": 48},
        address={"nargs": "?", "default": "-"},
        store={"type": Path, "nargs": "?", "default": "results/store/atoms"},
    )
