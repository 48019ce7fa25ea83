"""Large studies: a plan and the comparisons of a thousand models, an NLI cache of millions of pairs, a large corpus.

Times of the library alone, without a peer: the column "asked for" has the limit on two quiet cores. ``python -m
benchmarks.scale 5000`` prints the row of a plan of so many models.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import yaml

from benchmarks.common import ROOT, Row, command, corpus, count
from benchmarks.nli import SHARED
from molmix.config import documentation, loading
from molmix.config.schema import Config
from molmix.pipeline import model_table
from molmix.pipeline.products import Products

MODELS = 1000
MOLECULES = 300
PAIRS = 15_000_000  # in an NLI cache
ROWS = 160_000  # of a corpus
TEST_ROWS = 3000  # of its test set, as in config/paper.yaml
UNDEFINED = 0.02  # share of the captions without a score of atoms


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            _plan(Path(folder), MODELS),
            _comparisons(Path(folder), MODELS),
            _look_up(Path(folder), PAIRS),
            _corpus(Path(folder), ROWS),
        ]


def _study(models: int) -> dict[str, Any]:
    """The default study with as many seeds as give about so many models: each seed adds 23."""
    return copy.deepcopy(documentation.DEMO) | {"seeds": list(range(1, max(round(models / 23), 1) + 1))}


def _plan(folder: Path, models: int) -> Row:
    file = folder / "many.yaml"
    file.write_text(yaml.safe_dump(_study(models)), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "-n", "-q", "rules", "-s", str(ROOT / "Snakefile")]
    begin = time.perf_counter()
    subprocess.run([*command, "--configfile", str(file)], cwd=folder, check=True, capture_output=True)
    seconds = time.perf_counter() - begin
    limit = "15 s" if models <= MODELS else "90 s for 5,000 models"
    made = len(model_table.build(loading.parse(_study(models))))
    return (f"snakemake -n, {made} models", f"{seconds:.1f} s", "-", "-", limit)


def _comparisons(folder: Path, models: int) -> Row:
    """Random scores with all columns of the default study: time does not depend on the values."""
    from molmix.analysis.comparison.compare import compare_models

    study: Config = loading.parse(_study(models))
    products = Products(study, model_table.build(study))
    facts = products.model_facts
    _write_scores(folder / "scores", list(facts))
    corpus = folder / "corpus.json"
    corpus.write_text(json.dumps({"counts": {}, "leakage": "exact"}), encoding="utf-8")
    begin = time.perf_counter()
    compare_models(
        models=facts,
        tests=["id"],
        scores=folder / "scores",
        statistics=study.statistics.model_dump(),
        options=products.metric_options,
        licences={},
        study_seeds=study.seeds,
        config="",
        corpus=corpus,
        manifests=[],
        tables={name: folder / name for name in products.compared},
    )
    seconds = time.perf_counter() - begin
    return (f"comparisons, {len(facts)} models × {MOLECULES} molecules", f"{seconds:.1f} s", "-", "-", "60 s")


def _write_scores(folder: Path, models: list[str]) -> None:
    import pandas as pd
    import pyarrow as pa

    from molmix.core.files import write_table

    draw = np.random.default_rng(0)
    ids = [f"m{number}" for number in range(MOLECULES)]
    shares = ("atomic_f1", "atomic_precision", "atomic_recall", "hallucination", "supported", "contradicted")
    shares += ("unsupported", "coverage", "bleu2", "bleu4", "rouge1", "rouge2", "rougeL", "meteor")
    shares += ("precision", "recall", "f1")
    for model in models:
        skill = draw.uniform(0.8, 1)
        frame: dict[str, Any] = {"id": ids, "text": ["A caption."] * MOLECULES, "finish": ["stop"] * MOLECULES}
        frame |= {name: skill * draw.random(MOLECULES) for name in shares}
        without_atoms = draw.random(MOLECULES) < UNDEFINED
        for name in shares[:8]:
            frame[name][without_atoms] = np.nan
        for size in range(1, 5):
            total = 30 - size + draw.integers(0, 5, MOLECULES)
            matches = (total * skill * draw.random(MOLECULES)).astype(int)
            frame |= {f"bleu_total_{size}": total, f"bleu_match_{size}": matches}
        frame |= {"bleu_hyp_len": draw.integers(28, 34, MOLECULES), "bleu_ref_len": draw.integers(28, 34, MOLECULES)}
        write_table(folder / model / "id.parquet", pa.Table.from_pandas(pd.DataFrame(frame)))


def _look_up(folder: Path, pairs: int) -> Row:
    """One job's 100,000 pairs in a cache of many files, a tenth of them missing."""
    from molmix.judges.nli.cache import VALUE, NliCache

    draw = np.random.default_rng(0)
    cache, asked = NliCache(folder / "cache"), []
    for start in range(0, pairs, 1_000_000):
        keys = draw.integers(0, 2**63, size=(min(1_000_000, pairs - start), 2), dtype=np.uint64)
        cache.add(keys, np.zeros(len(keys), VALUE))
        asked.append(keys[: 90_000 * len(keys) // pairs])
    asked.append(draw.integers(0, 2**63, size=(10_000, 2), dtype=np.uint64))
    wanted = np.concatenate(asked)
    before = getrusage(RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    _, missing = cache.lookup(wanted)
    seconds = time.perf_counter() - begin
    assert missing.sum() == 10_000
    more = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
    what = f"NLI cache of {pairs:,} pairs, look-up of {len(wanted):,}"
    return (what, f"{seconds:.1f} s, {more:.0f} MB more memory", "-", "-", "5 s")


def _corpus(folder: Path, rows: int) -> Row:
    """A corpus whose subset is drawn by scaffold and whose test set is held out, on two processes."""
    from molmix.data.corpus import build_corpus

    molecules, whose = _molecules(rows)
    sources = {}
    for name, some in (("test", molecules[:TEST_ROWS]), ("train", molecules[TEST_ROWS:])):
        path = folder / f"{name}.tsv"
        lines = [f"{smiles}\tThe caption {number}.\n" for number, smiles in enumerate(some)]
        path.write_text("molecule\tcaption\n" + "".join(lines), encoding="utf-8")
        sources[name] = {"kind": "file", "path": str(path)}
    begin = time.perf_counter()
    build_corpus(
        data={
            "train": sources["train"],
            "tests": {"one": {"source": sources["test"]}},
            "subset": {"fraction": 0.1, "strategy": "scaffold"},
        },
        domain="molecules",
        seed=1,
        world=None,
        tests={"one": folder / "one.parquet"},
        corpora={"": folder / "corpus"},
        manifest=folder / "manifest.json",
        processes=2,
    )
    seconds = time.perf_counter() - begin
    what = f"corpus of {len(molecules):,} molecules ({whose}), {TEST_ROWS:,} of them held out"
    what += ", subset by scaffold, 2 processes"
    return (what, f"{seconds:.1f} s", "-", "-", "60 s")


def _molecules(rows: int) -> tuple[list[str], str]:
    """Distinct SMILES and what they are: molecules of L+M-24 if they are there.

    The embedded world has too few molecules, so else three of them at a time are joined by a nitrogen atom.
    """
    path = SHARED / "data/lpm24/train_props.txt.gz"
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            found = [line.partition("\t")[0] for line in stream]
        return random.Random(0).sample(found, min(rows, len(found))), "L+M-24"
    parts = [smiles for smiles, _ in corpus(1000) if smiles[0] in "Cc" and not smiles.startswith("Cl")]
    draw, made = random.Random(0), dict[str, None]()
    while len(made) < rows:
        made["N({})({}){}".format(*sorted(draw.sample(parts, 3)))] = None
    return [*made], "amines made of the embedded world's molecules"


if __name__ == "__main__":

    def main(models: int) -> None:
        """Print the row."""
        with tempfile.TemporaryDirectory() as folder:
            print(*_plan(Path(folder), models))

    command(main, models={"type": count})
