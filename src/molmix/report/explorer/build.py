"""Writes the explorer's pages from the tables of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from molmix.analysis.licences import Licences
from molmix.analysis.provenance import counts, provenance
from molmix.config.schema import Config
from molmix.core.errors import fault
from molmix.core.files import make_again, read_table, replace_folder
from molmix.judges.explanation import describe_judge
from molmix.judges.kinds import JudgeSettings, NliJudge
from molmix.judges.matrices import PairMatrices
from molmix.metrics import all_metrics
from molmix.metrics.aggregate import without_texts
from molmix.pipeline import model_table
from molmix.pipeline.origins import check_origins
from molmix.report.explain.case import judged_folders, metrics_of, options_of
from molmix.report.explorer.drawings import draw_molecule
from molmix.report.explorer.tables import judge_columns, picked, read_comparisons, read_figures, rounded

PAGES = files("molmix.report.explorer") / "pages"
BLOCK = 50  # number of molecules whose drawings, units or probabilities are in one file


class Run:
    """The tables of a run in the working folder.

    Attributes:
        study: the config of the run.
        root: folder of the run.
        models, tests, judges, metrics: names. Their indices are the numbers in the file names of the pages.
        units: kinds of units that the judges split the references into.
        missing: tables that do not exist (yet).
    """

    def __init__(self, study: Config) -> None:
        self.study = study
        self.root = Path(f"results/{study.run}")
        self.table = model_table.build(study)
        self.models, self.tests, self.judges = [*self.table], [*study.data.tests], [*study.judges]
        self.metrics = metrics_of(study)
        self.units = [*dict.fromkeys(judge.reference_units for judge in study.judges.values())]
        self.missing: list[str] = []

    def path(self, folder: str, test: str) -> Path:
        """The table of a test set in a folder of the run."""
        return self.root / folder / f"{test}.parquet"

    def has(self, path: Path) -> bool:
        """Whether a table exists; a missing one is added to `missing`."""
        if not path.exists() and str(path) not in self.missing:
            self.missing.append(str(path))
        return path.exists()

    def has_captions(self, test: str) -> bool:
        """Whether the answers to a test set are captions, which the judges read."""
        return self.study.data.tests[test].direction == "mol2cap"

    def judge_tables(self, judge: str, model: str, test: str) -> list[Path]:
        """Units of both texts and probabilities of their pairs; empty if one of these tables is missing."""
        paths = [self.path(folder, test) for folder in judged_folders(self.study, judge, model)]
        return paths if all([self.has(path) for path in paths]) else []


def build_explorer(study: Config, folder: Path, configfile: str = "") -> list[str]:
    """Write the explorer of a run in the working folder, with all scores that exist.

    Args:
        study: the config of the run.
        folder: folder to write to. An older explorer there is replaced.
        configfile: path of the study's config file, for the commands that the pages show; empty if it is not one file.

    Returns:
        Missing tables. The pages list them.

    Raises:
        MolmixError: nothing is scored yet, a table is damaged, or a table was not made from the current tables.
    """
    run = Run(study)
    scores = [
        path for model in run.models for test in run.tests if (path := run.path(f"scores/{model}", test)).exists()
    ]
    if not scores:
        hint = "run snakemake first, in this folder and with the same --configfile"
        raise fault(run.root / "scores", "no captions are scored yet", hint)
    check_origins(scores)
    with replace_folder(folder) as part:
        for page in PAGES.iterdir():
            with as_file(page) as source:
                (part / page.name).write_bytes(source.read_bytes())
        _write_data(run, part, configfile)
    return run.missing


def _write_data(run: Run, folder: Path, configfile: str) -> None:
    board, compared = run.root / "tables/leaderboard.csv", run.root / "tables/comparisons.csv"
    figures = read_figures(board, [*run.metrics]) if run.has(board) else {}
    pairs = read_comparisons(compared, [*run.metrics], run.models) if run.has(compared) else {}
    tests, counted = [], []
    for test in run.tests:
        frames = _write_test(run, folder, test, figures, pairs)
        path = run.path("data/tests", test)
        columns = {column for frame in frames.values() for column in frame}
        tests.append(
            {
                "name": test,
                "direction": run.study.data.tests[test].direction,
                "file": str(path),
                "metrics": [index for index, metric in enumerate(run.metrics) if metric in columns],
                "systems": [index for index, model in enumerate(run.models) if model in frames],
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
    asking = [name for name, judge in run.study.judges.items() if isinstance(judge, NliJudge)]
    judges = asking if any(map(run.has_captions, run.tests)) else []
    files = {judge: path for judge in judges if run.has(path := run.root / f"licences/{judge}.json")}
    licences = Licences(files, options_of(run.study))
    index = _index(run, licences) | {
        "tests": tests,
        "options": ["--configfile", configfile] if configfile else [],
        "tables": [str(path) for path in (board, compared) if path.exists()],
    }
    index |= {"provenance": [line.removeprefix("- ") for line in lines], "missing": run.missing}
    write_chunk(folder, "index", index)


def _index(run: Run, licences: Licences) -> dict[str, Any]:
    titles = {metric.column: metric.title for metric in all_metrics(options_of(run.study))}
    return {
        "run": run.study.run,
        "domain": run.study.domain,
        "block": BLOCK,
        "level": run.study.statistics.level,
        "warnings": licences.warnings,
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
            {"name": name, "who": describe_judge(name, judge), "units": run.units.index(judge.reference_units)}
            | {"licence": licences.notes.get(name, "")}
            | _explanation_of(judge)
            for name, judge in run.study.judges.items()
        ],
    }


def _explanation_of(judge: JudgeSettings) -> dict[str, Any]:
    """Whether a judge reads pairs, whether it gives verdicts on units, and why it picks a reference unit (or empty)."""
    if not isinstance(judge, NliJudge):
        return {"pairs": False, "verdicts": True, "reason": ""}
    explanation = judge.explain(PairMatrices(*[np.zeros((1, 1))] * 4))
    reasons = [*picked(explanation)]
    return {"pairs": True, "verdicts": explanation.verdicts is not None, "reason": reasons[0] if reasons else ""}


def _write_test(run: Run, folder: Path, test: str, figures: dict, pairs: dict) -> dict[str, pd.DataFrame]:
    """Write all files of a test set; returns the scores of every system, without texts."""
    path, frames = run.path("data/tests", test), {}
    scored = [model for model in run.models if run.has(run.path(f"scores/{model}", test))]
    if not scored or not run.has(path):
        return {}
    rows = read_table(path)
    _write_molecules(run, folder, test, rows)
    for model in scored:
        file = run.path(f"scores/{model}", test)
        scores = read_table(file)
        if scores["id"].to_pylist() != rows["id"].to_pylist():
            raise fault(file, f"its ids are not those of {path}", make_again(file))
        whole = {"figures": figures.get((test, model)), "compared": pairs.get((test, model), [])}
        _write_system(run, folder, test, model, scores, whole)
        frames[model] = without_texts(scores)
    return frames


def _write_molecules(run: Run, folder: Path, test: str, rows: pa.Table) -> None:
    """Write ``t<test>/molecules`` (ids, molecules, references) and ``t<test>/m<block>`` (drawings, units)."""
    name = f"t{run.tests.index(test)}"
    molecules = rows["molecule"].to_pylist()
    write_chunk(
        folder,
        f"{name}/molecules",
        {"ids": rows["id"].to_pylist(), "molecules": molecules, "references": rows["references"].to_pylist()},
    )
    units = [_reference_units(run, way, test, len(rows)) for way in run.units]
    is_drawn = run.study.domain == "molecules"
    for block, part in _blocks(len(rows)):
        drawings = [draw_molecule(smiles) if is_drawn else None for smiles in molecules[part]]
        write_chunk(folder, f"{name}/m{block}", {"drawings": drawings, "units": [side[part] for side in units]})


def _reference_units(run: Run, way: str, test: str, rows: int) -> list[list[str]]:
    path = run.path(f"atoms/{way}/reference", test)
    if not run.has_captions(test) or not run.has(path):
        return [[]] * rows
    return read_table(path, ["atoms"])["atoms"].to_pylist()


def _write_system(run: Run, folder: Path, test: str, model: str, scores: pa.Table, whole: dict[str, Any]) -> None:
    """Write ``t<test>/s<system>/scores``, ``…/j<judge>-<block>``, and ``…/m<block>`` if answers are molecules.

    Args:
        run, folder, test, model: the run, the folder of the pages, names of the test set and of the system.
        scores: the system's scores of the test set, with texts.
        whole: values of the whole system from the run's tables.
    """
    name = f"t{run.tests.index(test)}/s{run.models.index(model)}"
    texts, files = scores["text"].to_pylist(), [run.path(f"{kind}/{model}", test) for kind in ("predictions", "scores")]
    judged: list[list[str] | None] = []
    for index, judge in enumerate(run.judges):
        paths = run.judge_tables(judge, model, test) if run.has_captions(test) else []
        judged.append([str(path) for path in paths] or None)
        if paths:
            columns = judge_columns(run.study.judges[judge], *paths)
            for block, part in _blocks(len(texts)):
                content = {column: values[part] for column, values in columns.items()}
                write_chunk(folder, f"{name}/j{index}-{block}", content)
    if not run.has_captions(test) and run.study.domain == "molecules":
        for block, part in _blocks(len(texts)):
            write_chunk(folder, f"{name}/m{block}", {"drawings": [draw_molecule(smiles) for smiles in texts[part]]})
    values = [
        rounded(scores[metric].to_pylist(), 6) if metric in scores.column_names else None for metric in run.metrics
    ]
    content = {"texts": texts, "finish": scores["finish"].to_pylist(), "values": values, "judged": judged}
    write_chunk(folder, f"{name}/scores", content | {"files": [str(path) for path in files]} | whole)


def _blocks(rows: int) -> Iterable[tuple[int, slice]]:
    """The number of every block, and its rows."""
    return ((start // BLOCK, slice(start, start + BLOCK)) for start in range(0, rows, BLOCK))


def write_chunk(folder: Path, name: str, content: Any) -> None:
    """Write ``<folder>/data/<name>.js``. It is a script, because a page opened from disk cannot load other data.

    Names from configs and models are values in a chunk, never keys or file names.

    Args:
        folder: folder of the pages.
        name: the name by which a page asks for the chunk, such as ``t0/s3/scores``.
        content: plain lists, dicts, text and finite numbers.
    """
    path = folder / "data" / f"{name}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(chunk_script(name, content), encoding="ascii")  # the folder is flushed and renamed as a whole


def chunk_script(name: str, content: Any) -> str:
    """A script that passes `content` to the page: ASCII without ``<``, so that no text can end it or be markup."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'molmix.chunk("{name}",{text});\n'
