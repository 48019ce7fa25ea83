"""A small run made at once: real captions through the real stages, but for an NLI model's answers, which are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from molmix.analysis.comparison.compare import compare_models
from molmix.analysis.leaderboard import leaderboard
from molmix.config.schema import Config
from molmix.core.files import read_table, write_json, write_table
from molmix.data.corpus import TEST
from molmix.judges.decompose.tables import decompose_tables
from molmix.judges.kinds import NliJudge
from molmix.judges.matrices import PairMatrices
from molmix.judges.nli.licence import Licence
from molmix.metrics.score import write_scores
from molmix.pipeline import model_table as models
from molmix.report.explain.case import judged_folders, options_of

GOOD = Licence(9, 1.0, 1.0, 9, 0.0, 0.0, True)
Row = tuple[str, str, list[str]]  # id, molecule and references


def write_run(study: Config, rows: Mapping[str, Sequence[Row]], answers: Mapping[str, Mapping[str, list[str]]]) -> None:
    """Write a run of captions from elsewhere in the working folder, up to its tables.

    Args:
        study: its config, with systems alone.
        rows: by test set, its molecules.
        answers: by test set and system, a text for each molecule.
    """
    run = Path(f"results/{study.run}")
    write_licences(study)
    for test, given in rows.items():
        known = {"rows": [0], "ids": ["0"], "properties": None, "facts": None, "truth": None}
        table = [{"id": name, "molecule": smiles, "references": refs} | known for name, smiles, refs in given]
        write_table(run / f"data/tests/{test}.parquet", table, TEST)
        for system, texts in answers[test].items():
            answered = {"id": [name for name, *_ in given], "text": texts, "finish": ["stop"] * len(texts)}
            write_table(run / f"predictions/{system}/{test}.parquet", pa.table(answered))
            _judge(study, run, test, system)
            options = options_of(study)
            asked = study.data.tests[test].direction == "mol2cap"
            write_scores(
                test=run / f"data/tests/{test}.parquet",
                direction=study.data.tests[test].direction,
                predictions=run / f"predictions/{system}/{test}.parquet",
                judged={judge: run / f"nli/{judge}/{system}/{test}.parquet" for judge in study.judges if asked},
                text2mol=None,
                out=run / f"scores/{system}/{test}.parquet",
                options=vars(options),
            )


def write_licences(study: Config) -> None:
    """Write a licence that nothing is wrong with, for every judge that asks an NLI model."""
    for name, judge in study.judges.items():
        if isinstance(judge, NliJudge):
            facts = {"judge": name, "nli": judge.nli, "accuracy": None}
            tests = {test: asdict(GOOD) for test in study.data.tests}
            write_json(Path(f"results/{study.run}/licences/{name}.json"), facts | {"tests": tests}, checksum=True)


def write_tables(study: Config) -> None:
    """Write the run's leaderboard and comparisons."""
    run, tests = Path(f"results/{study.run}"), {name: test.direction for name, test in study.data.tests.items()}
    rows = {
        model: {"kind": row.kind, "parents": list(row.parents), "method": row.method, "seed": row.seed}
        | {"start": row.start, "unseeded": row.unseeded}
        for model, row in models.build(study).items()
    }
    shared: dict[str, Any] = {
        "models": rows,
        "scores": run / "scores",
        "statistics": study.statistics.model_dump(),
        "options": vars(options_of(study)),
        "licences": {},
        "config": study.digest(),
        "corpus": run / "data/manifest.json",
        "manifests": [],  # systems from elsewhere were made on machines that nobody knows
    }
    counts = {f"tests.{test}": {"molecules": read_table(run / f"data/tests/{test}.parquet").num_rows} for test in tests}
    write_json(shared["corpus"], {"counts": counts})
    tables = {"comparisons": run / "tables/comparisons"}
    compare_models(**shared, tests=[*tests], study_seeds=study.seeds, tables=tables)
    comparisons, board = run / "tables/comparisons.csv", run / "tables/leaderboard"
    leaderboard(**shared, tests=tests, seeds=study.seeds, comparisons=comparisons, table=board)


def draw_pairs(path: Path, ids: list[str], sizes: Sequence[tuple[int, int]], rng: np.random.Generator) -> None:
    """Write probabilities as :func:`molmix.judges.nli.inference.predict_tables` does; some are sure, most are not."""
    cells = sum(one * other for one, other in sizes)
    offsets = np.concatenate([[0], np.cumsum([one * other for one, other in sizes])]).astype(np.int32)
    drawn = {}
    for way in ("forward", "backward"):
        entailment = rng.beta(0.15, 0.5, cells).astype(np.float32)
        drawn[f"{way}_entailment"] = entailment
        drawn[f"{way}_contradiction"] = (1 - entailment) * rng.beta(0.15, 0.5, cells).astype(np.float32)
    one, other = zip(*sizes, strict=True)
    counts = {"n_generated": one, "n_reference": other, "n_truncated": [0] * len(ids)}
    columns = {"id": pa.array(ids)} | {name: pa.array(count, pa.int32()) for name, count in counts.items()}
    lists = {
        name: pa.ListArray.from_arrays(pa.array(offsets), pa.array(drawn[name]))
        for name in PairMatrices.__dataclass_fields__
    }
    write_table(path, pa.table(columns | lists))


def _judge(study: Config, run: Path, test: str, system: str) -> None:
    if study.data.tests[test].direction != "mol2cap":
        return
    for judge in study.judges:
        *units, pairs = (run / folder / f"{test}.parquet" for folder in judged_folders(study, judge, system))
        for path, captions in zip(units, (run / "data/tests", run / f"predictions/{system}"), strict=True):
            name = path.parts[-3]
            settings = study.decomposers[name].model_dump() if name in study.decomposers else None
            texts = [captions / f"{test}.parquet"]
            decompose_tables(
                captions=texts, outs=[path], units=name, settings=settings, cache=run / "atoms-cache", model=None
            )
        reference, generated = (read_table(path).to_pylist() for path in units)
        sizes = [(len(a["atoms"]), len(b["atoms"])) for a, b in zip(generated, reference, strict=True)]
        seed = sum(map(ord, judge + system + test))
        draw_pairs(pairs, [row["id"] for row in generated], sizes, np.random.default_rng(seed))
