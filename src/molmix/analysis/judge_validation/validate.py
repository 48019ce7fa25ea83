"""The stages of judge validation: plant errors for each test set, and measure every judge on them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from molmix.analysis.judge_validation.agreement import agreement, agreement_grids, agreement_notes
from molmix.analysis.judge_validation.perturbations import CONTROL, EDITS
from molmix.analysis.judge_validation.planting import not_made, plant
from molmix.analysis.judge_validation.sensitivity import measure_sensitivity, sensitivity_grids, sensitivity_notes
from molmix.analysis.provenance import provenance
from molmix.analysis.tables import Grid, write_csv, write_pages
from molmix.core.files import read_rows_of, read_table, write_table
from molmix.judges.kinds import DIRECTIONS, parse_judge, score_captions, titles
from molmix.metrics.families.judges import prefixes

REFERENCES = pa.schema([("id", pa.string()), ("references", pa.list_(pa.string()))])
CAPTIONS = pa.schema(
    [("id", pa.string()), ("of", pa.string()), ("edit", pa.string()), ("k", pa.int32()), ("text", pa.string())]
)
KEYS = ["id", "of", "edit", "k"]

log = logging.getLogger(__name__)


def plant_tables(
    *,
    tests: Sequence[Path],
    references: Sequence[Path],
    captions: Sequence[Path],
    molecules: int,
    doses: list[int],
    seed: int,
) -> None:
    """Plant every edit into the references of test sets.

    Args:
        tests: test sets (columns of `molmix.data.corpus.TEST`).
        references, captions: the tables to write for each, one row per variant in the same order: its references
            (columns of :data:`REFERENCES`), and its text (columns of :data:`CAPTIONS`).
        molecules: number of molecules of a test set, drawn with the seed; all if it has fewer.
        doses: numbers of edits in a variant.
        seed: of all draws.
    """
    for test, given, written in zip(tests, references, captions, strict=True):
        made = plant(read_table(test).to_pylist(), edits=EDITS, doses=doses, molecules=molecules, seed=seed)
        write_table(given, [{name: row[name] for name in REFERENCES.names} for row in made], REFERENCES)
        write_table(written, [{name: row[name] for name in CAPTIONS.names} for row in made], CAPTIONS)
        missing = {edit: number for edit, number in not_made(made, edits=EDITS, doses=doses).items() if number}
        log.info("%s: %d captions; no room for an edit, by edit and dose: %s", test.stem, len(made), missing)


def measure_judges(
    *,
    judges: Mapping[str, dict[str, Any]],
    captions: Mapping[str, Path],
    nli: Mapping[str, Mapping[str, Path]],
    scores: Mapping[str, Path],
    table: Path,
    resamples: int,
    level: float,
    seeds: Sequence[int],
    config: str,
    corpus: Path,
) -> dict[str, pd.DataFrame]:
    """Score planted captions by every judge, with every row-wise operation of atomic judges, and measure the scores.

    Args:
        judges: settings of each, dumped.
        captions: by test set, the planted captions (columns of :data:`CAPTIONS`).
        nli: by judge and test set, the probabilities of their pairs.
        scores: by test set, the table to write: :data:`KEYS` and a column for each judge's score.
        table: of all figures (:func:`molmix.analysis.judge_validation.sensitivity.measure_sensitivity`), to write as
            ``.csv``, ``.md`` and ``.tex``.
        resamples, level: of the bootstrap intervals.
        seeds: of the study; the first is that of the resamples.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.

    Returns:
        By test set, the rows of the table that a figure shows.
    """
    parts, pages, pictured = [], list[Grid](), dict[str, pd.DataFrame]()
    for test, path in captions.items():
        frame = read_table(path, KEYS).to_pandas()
        directions: dict[str, Any] = {}
        for name, title in titles(judges).items():
            pairs = read_rows_of(nli[name][test], frame["id"].tolist(), path)
            for label, column, values in _scores(title, judges[name], pairs):
                frame[label], directions[label] = values, DIRECTIONS[column]
        write_table(scores[test], pa.Table.from_pandas(frame, preserve_index=False))
        found = measure_sensitivity(frame, directions, resamples=resamples, level=level, seed=seeds[0])
        parts.append(found.assign(test=test))
        pages += sensitivity_grids(found, f"{test} ({frame['of'].nunique()} molecules)")
        pictured[test] = found[found["column"].isin(_pictured(judges))]
    measured = pd.concat(parts)
    below = provenance(config=config, seeds=seeds, corpus=corpus, resamples=resamples)
    write_csv(measured, table.with_suffix(".csv"))
    words = sensitivity_notes(measured, level=level)
    edited = set(measured.loc[measured["kind"] != CONTROL, "test"])
    without = [test for test in captions if test not in edited]
    words += [f"- {test}: no error could be planted, as no reference has a statement to edit." for test in without]
    write_pages("How far the judges can be trusted", pages, [*words, *below], table)
    return pictured


def _scores(title: str, settings: dict[str, Any], pairs: pa.Table) -> Iterator[tuple[str, str, np.ndarray]]:
    """Scores of a judge, as (label, column, one value per caption); hallucination by every row-wise operation."""
    for operation, chosen in parse_judge(settings).variants().items():
        if operation:
            yield (
                f"{title} hallucination ({operation})",
                "hallucination",
                score_captions(chosen, pairs)["hallucination"].to_numpy(),
            )
    measured = score_captions(settings, pairs)
    for column in DIRECTIONS:
        if column in measured.column_names and not (
            column == "hallucination" and len(parse_judge(settings).variants()) > 1
        ):
            yield f"{title} {column}", column, measured[column].to_numpy()


def _pictured(judges: Mapping[str, dict[str, Any]]) -> set[str]:
    """Scores for the figure: each judge's scores of errors and omissions, with its own operation. The judge with plain
    columns has every operation, which shows the reason for the default."""
    labels, shown = set(), titles(judges)
    for name, prefix in prefixes(judges).items():
        operations = parse_judge(judges[name]).variants() if not prefix else [judges[name].get("operation")]
        labels |= {f"{shown[name]} hallucination ({operation})" for operation in operations}
        labels |= {f"{shown[name]} {column}" for column in ("hallucination", "coverage", "consistency")}
    return labels


def compare_judges(
    *,
    judges: Mapping[str, dict[str, Any]],
    planted: Mapping[str, Path],
    scores: Mapping[str, Mapping[str, Path]],
    table: Path,
    resamples: int,
    level: float,
    seeds: Sequence[int],
    config: str,
    corpus: Path,
) -> None:
    """Compare judges on the models of the table, and on planted captions, with each edit and dose as a system.

    Args:
        judges: settings of each, dumped.
        planted: by test set, the scores of planted captions that :func:`measure_judges` wrote.
        scores: by test set and model, the scores of its captions.
        table: to write as ``.csv``, ``.md`` and ``.tex``.
        resamples, level: of the bootstrap intervals.
        seeds: of the study; the first is that of the resamples.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
    """
    parts, shown = [], titles(judges)
    for test, path in planted.items():
        variant = read_table(path).to_pandas()
        variant["system"] = variant["edit"] + " " + variant["k"].astype(str)
        systems = [
            read_table(file).to_pandas().assign(system=model).rename(columns={"id": "of"})
            for model, file in scores[test].items()
        ]
        models = pd.concat(systems) if systems else pd.DataFrame()
        for ground, frames in (
            ("models", {shown[judge]: _of_judge(models, prefix) for judge, prefix in prefixes(judges).items()}),
            ("planted", {title: _of_planted(variant, title, judges[judge]) for judge, title in shown.items()}),
        ):
            if ground == "planted" or len(systems) > 1:
                found = agreement(frames, list(DIRECTIONS), resamples=resamples, level=level, seed=seeds[0])
                parts.append(found.assign(test=test, ground=ground))
    compared = pd.concat(parts) if parts else pd.DataFrame()
    below = provenance(config=config, seeds=seeds, corpus=corpus, resamples=resamples)
    write_csv(compared, table.with_suffix(".csv"))
    words = agreement_notes(compared, level=level)
    write_pages("How far the judges agree", agreement_grids(compared), [*words, *below], table)


def _of_judge(models: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """One judge's scores of the models' captions, with column names without prefix."""
    named = {f"{prefix}{column}": column for column in DIRECTIONS if f"{prefix}{column}" in models}
    return models[["system", "of", *named]].rename(columns=named)


def _of_planted(variant: pd.DataFrame, title: str, settings: dict[str, Any]) -> pd.DataFrame:
    """One judge's scores of planted captions, with column names without prefix."""
    operation = settings.get("operation", "")
    named = {f"{title} {column}": column for column in DIRECTIONS} | {
        f"{title} hallucination ({operation})": "hallucination"
    }
    named = {label: column for label, column in named.items() if label in variant}
    return variant[["system", "of", *named]].rename(columns=named)
