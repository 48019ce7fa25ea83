"""From a run's tables to the pages of the explorer."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pandas as pd

from molmix.analysis.provenance import counts, provenance
from molmix.config.schema import Config
from molmix.core.errors import fault
from molmix.core.files import read_table, replace_folder
from molmix.judges.kinds.atomic import Atomic
from molmix.metrics.aggregate import all_metrics, without_texts
from molmix.report.explain.case import options_of
from molmix.report.explain.judged import REASONS, who
from molmix.report.explorer.chunks import BLOCK, write_chunk
from molmix.report.explorer.figures import read_comparisons, read_figures
from molmix.report.explorer.molecules import write_molecules
from molmix.report.explorer.run import Run
from molmix.report.explorer.systems import write_system

PAGES = files("molmix.report.explorer") / "pages"


def build(study: Config, folder: Path) -> list[str]:
    """Write the explorer of a run in the working folder, of all that is scored by now.

    Args:
        study: the config of the run.
        folder: to write; an older one is replaced whole.

    Returns:
        Tables that are not there: what is in them is not shown, and the pages say so.

    Raises:
        MolmixError: nothing is scored yet, or a table is damaged or not of the others.
    """
    run = Run(study)
    if not any(run.path(f"scores/{model}", test).exists() for model in run.models for test in run.tests):
        hint = "run snakemake first, in this folder and with the same --configfile"
        raise fault(run.root / "scores", "no captions are scored yet", hint)
    with replace_folder(folder) as part:
        for page in PAGES.iterdir():
            with as_file(page) as source:
                (part / page.name).write_bytes(source.read_bytes())
        _write(run, part)
    return run.missing


def _write(run: Run, folder: Path) -> None:
    board, compared = run.root / "tables/leaderboard.csv", run.root / "tables/comparisons.csv"
    figures = read_figures(board, [*run.metrics]) if run.has(board) else {}
    pairs = read_comparisons(compared, [*run.metrics], run.models) if run.has(compared) else {}
    tests, counted = [], []
    for test in run.tests:
        frames = _scored(run, folder, test, figures, pairs)
        path = run.path("data/tests", test)
        columns = {column for frame in frames.values() for column in frame}
        tests.append(
            {
                "name": test,
                "direction": run.study.data.tests[test].direction,
                "file": str(path),
                "metrics": [place for place, metric in enumerate(run.metrics) if metric in columns],
                "systems": [place for place, model in enumerate(run.models) if model in frames],
            }
        )
        held = {(model, m): int(frame[m].count()) for model, frame in frames.items() for m in run.metrics if m in frame}
        counted += counts(test, frames, held) if frames else []
    statistics, seeds = run.study.statistics, run.study.seeds
    corpus = run.root / "data/manifest.json"
    lines = provenance(
        config=run.study.digest(),
        seeds=seeds,
        corpus=corpus if corpus.exists() else None,
        resamples=statistics.resamples,
        counted=counted,
    )
    index = _index(run) | {"tests": tests, "tables": [str(path) for path in (board, compared) if path.exists()]}
    index |= {"provenance": [line.removeprefix("- ") for line in lines], "missing": run.missing}
    write_chunk(folder, "index", index)


def _scored(run: Run, folder: Path, test: str, figures: dict, pairs: dict) -> dict[str, pd.DataFrame]:
    """Write all that there is of a test set; the scores of every system, without texts."""
    path, frames = run.path("data/tests", test), {}
    there = [model for model in run.models if run.has(run.path(f"scores/{model}", test))]
    if not there or not run.has(path):
        return {}
    rows = read_table(path)
    write_molecules(run, folder, test, rows)
    for model in there:
        place = run.path(f"scores/{model}", test)
        scores = read_table(place)
        if scores["id"].to_pylist() != rows["id"].to_pylist():
            raise fault(place, f"its ids are not those of {path}", "run the same snakemake command again")
        told = {"figures": figures.get((test, model)), "compared": pairs.get((test, model), [])}
        write_system(run, folder, test, model, scores, told)
        frames[model] = without_texts(scores)
    return frames


def _index(run: Run) -> dict[str, Any]:
    titles = {metric.column: metric.title for metric in all_metrics(options_of(run.study))}
    judges = run.study.judges
    return {
        "run": run.study.run,
        "domain": run.study.domain,
        "block": BLOCK,
        "level": run.study.statistics.level,
        "systems": [{"name": model, "kind": row.kind} for model, row in run.table.items()],
        "metrics": [
            {
                "column": column,
                "title": titles.get(column, column),
                "better": better,
                "judge": None if judge is None else run.judges.index(judge),
            }
            for column, (better, judge) in run.metrics.items()
        ],
        "judges": [
            {
                "name": name,
                "who": who(name, judge),
                "atomic": isinstance(judge, Atomic),
                "reason": REASONS.get(judge.operation, "") if isinstance(judge, Atomic) else "",
                "units": run.units.index(judge.reference_units),
            }
            for name, judge in judges.items()
        ],
    }
