"""The stages of judge validation: plant errors for each test set, and measure every judge on them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from molmix.analysis.judge_validation.agreement import agreement, agreement_grids, agreement_notes
from molmix.analysis.judge_validation.perturbations import CONTROL, EDITS
from molmix.analysis.judge_validation.planting import REFERENCE, not_made, plant
from molmix.analysis.judge_validation.rankings import rank_systems, ranking_grids, ranking_notes
from molmix.analysis.judge_validation.sensitivity import measure_sensitivity, sensitivity_grids, sensitivity_notes
from molmix.analysis.licences import licence_frame, licence_grids
from molmix.analysis.provenance import provenance
from molmix.analysis.tables import Grid, write_csv, write_pages
from molmix.core.files import read_rows_of, read_table, write_table
from molmix.data.corpus import TEST
from molmix.judges.kinds import DIRECTIONS, parse_judge, titles
from molmix.metrics import Answers, Options
from molmix.metrics.aggregate import read_scores
from molmix.metrics.families import captions as caption_metrics
from molmix.metrics.families import judges as judge_metrics
from molmix.metrics.families.judges import prefixes

KEYS = {"id": pa.string(), "of": pa.string(), "author": pa.string(), "edit": pa.string(), "k": pa.int32()}
CAPTIONS = pa.schema([*KEYS.items(), ("text", pa.string())])
# Whose captions are edited, and their names in tables
AUTHORS = {"reference": "references", "system": "captions of systems"}
FLOOR = tuple(
    metric for metric in caption_metrics.METRICS if metric.headline
)  # metrics of text, to compare judges with

log = logging.getLogger(__name__)


def plant_tables(
    *,
    tests: Mapping[str, Path],
    systems: Mapping[str, Mapping[str, Path]],
    references: Mapping[str, Path],
    captions: Mapping[str, Path],
    molecules: int,
    doses: list[int],
    seed: int,
) -> None:
    """Plant every edit into the references of test sets, and into captions of systems.

    Args:
        tests: test sets by name (columns of `molmix.data.corpus.TEST`).
        systems: by system and test set, its captions (columns id and text).
        references, captions: the tables to write for each, one row per variant in the same order: what the test set
            holds of its molecule (columns of `molmix.data.corpus.TEST`), and its text (columns of :data:`CAPTIONS`).
        molecules: number of molecules of a test set, drawn with the seed; all if it has fewer.
        doses: numbers of edits in a variant.
        seed: of all draws.
    """
    for test, path in tests.items():
        texts: dict[str, dict[str, str]] = {}
        for system, files in systems.items():
            written = read_table(files[test], ["id", "text"])
            texts[system] = dict(zip(written["id"].to_pylist(), written["text"].to_pylist(), strict=True))
        rows = read_table(path).to_pylist()
        made = plant(rows, edits=EDITS, doses=doses, molecules=molecules, seed=seed, systems=texts)
        write_table(references[test], [{name: row.get(name) for name in TEST.names} for row in made], TEST)
        write_table(captions[test], [{name: row[name] for name in CAPTIONS.names} for row in made], CAPTIONS)
        for author, title in AUTHORS.items():
            own = [row for row in made if _author(row["author"]) == author]
            missing = {edit: number for edit, number in not_made(own, edits=EDITS, doses=doses).items() if number}
            log.info("%s, %s: %d captions; no room for an edit, by edit and dose: %s", test, title, len(own), missing)


def measure_judges(
    *,
    tests: Mapping[str, Path],
    captions: Mapping[str, Path],
    judged: Mapping[str, Mapping[str, Path]],
    scores: Mapping[str, Path],
    table: Path,
    options: Mapping[str, Any],
    resamples: int,
    level: float,
    seeds: Sequence[int],
    config: str,
    corpus: Path,
) -> dict[str, pd.DataFrame]:
    """Score planted captions by every judge, and by metrics of text, and measure the scores.

    A score that depends on a judge's row-wise operation is given by every operation.

    Args:
        tests, captions: by test set, the two tables of :func:`plant_tables`.
        judged: by judge and test set, the table that its scores are made from.
        scores: by test set, the table to write: :data:`KEYS` and a column for each score.
        table: of all figures (:func:`molmix.analysis.judge_validation.sensitivity.measure_sensitivity`), to write as
            ``.csv``, ``.md`` and ``.tex``.
        options: as in :class:`molmix.metrics.Options`.
        resamples, level: of the bootstrap intervals.
        seeds: of the study; the first is that of the resamples.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.

    Returns:
        By test set, the rows of the table, with ``author`` (a key of :data:`AUTHORS`).
    """
    chosen, parts, pages = Options(**options), list[pd.DataFrame](), dict[str, list[Grid]]()
    for test, path in captions.items():
        variants = read_table(path, [*CAPTIONS.names])
        ids = variants["id"].to_pylist()
        rows = read_rows_of(tests[test], ids, path).to_pylist()
        tables = {judge: read_rows_of(files[test], ids, path) for judge, files in judged.items()}
        answers = Answers(
            direction="mol2cap",
            texts=variants["text"].to_pylist(),
            molecules=[row["molecule"] for row in rows],
            smiles=[row["smiles"] or row["molecule"] for row in rows],
            references=[row["references"] for row in rows],
            facts=[row["facts"] for row in rows],
            truth=[row["truth"] for row in rows],
            judged=tables,
            properties=[row["properties"] for row in rows],
            options=chosen,
        )
        scored = _scores(answers)
        frame = pd.concat([variants.select([*KEYS]).to_pandas(), *(values for values, _ in scored)], axis=1)
        directions = {str(values.name): better for values, better in scored}
        write_table(scores[test], pa.Table.from_pandas(frame, preserve_index=False))
        for author, title in AUTHORS.items():
            own = frame[frame["author"].map(_author) == author]
            if own.empty:
                continue
            found = measure_sensitivity(own, directions, resamples=resamples, level=level, seed=seeds[0])
            parts.append(found.assign(test=test, author=author))
            for grid in sensitivity_grids(found, f"{test}, edited {title}", own["of"].nunique()):
                pages.setdefault(test, []).append(grid)
    measured = pd.concat(parts)
    below = provenance(config=config, seeds=seeds, corpus=corpus, resamples=resamples)
    write_csv(measured, table.with_suffix(".csv"))
    words = sensitivity_notes(measured, level=level)
    edited = set(measured.loc[measured["kind"] != CONTROL, "test"])
    without = [test for test in captions if test not in edited]
    words += [f"- {test}: no error could be planted, as no reference has a statement to edit." for test in without]
    grids = [grid for own in pages.values() for grid in own]
    write_pages("How far the judges can be trusted", grids, [*words, *below], table)
    return {test: measured[measured["test"] == test] for test in captions}


def _author(author: str) -> str:
    return "reference" if author == REFERENCE else "system"


def _scores(answers: Answers) -> list[tuple[pd.Series, Literal["higher", "lower"]]]:
    """Every score of planted captions, named by judge and score, and whether higher or lower is better."""
    scores: list[tuple[pd.Series, Literal["higher", "lower"]]] = []
    for name, labels in score_labels(answers.options.judges).items():
        frames: dict[str, pd.DataFrame | None] = {}  # by settings
        for label, (column, settings) in labels.items():
            judge, key = {name: settings}, repr(settings)
            if key not in frames:
                frames[key] = judge_metrics.measure(replace(answers, options=replace(answers.options, judges=judge)))
            if (frame := frames[key]) is not None:
                scores.append((frame[prefixes(judge)[name] + column].rename(label), DIRECTIONS[column]))
    texts = caption_metrics.measure(answers)
    return [*scores, *((texts[metric.column].rename(metric.title), metric.better) for metric in FLOOR)]


def score_labels(judges: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, tuple[str, dict[str, Any]]]]:
    """By judge, its scores: by label in tables, the score's column and the settings that give it.

    Hallucination of a judge with several row-wise operations has a label for each.
    """
    labels: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {}
    for name, title in titles(judges).items():
        judge, own = parse_judge(judges[name]), labels.setdefault(name, {})
        variants = judge.variants()
        for score in judge.scores:
            label = f"{title} {(score.title or score.column).removeprefix(f'{judge.kind} ')}"
            if score.column == "hallucination" and len(variants) > 1:
                for operation, settings in variants.items():
                    own[f"{label} ({operation})"] = (score.column, settings)
            else:
                own[label] = (score.column, judges[name])
    return labels


def compare_judges(
    *,
    planted: Mapping[str, Path],
    scores: Mapping[str, Mapping[str, Path]],
    licences: Mapping[str, Path],
    tables: Mapping[str, Path],
    options: Mapping[str, Any],
    resamples: int,
    level: float,
    seeds: Sequence[int],
    config: str,
    corpus: Path,
) -> None:
    """Compare judges with each other and with published metrics.

    Args:
        planted: by test set, the scores of planted captions that :func:`measure_judges` wrote.
        scores: by test set and model, the scores of its captions.
        licences: by judge, its licences (:func:`molmix.judges.nli.licence.write_licence`).
        tables: paths of the files to write, without ending: `agreement` of judges on models and on planted captions,
            with each edit and dose as a system; `rankings` of the models; `licences` of the judges.
        options: as in :class:`molmix.metrics.Options`.
        resamples, level: of the bootstrap intervals.
        seeds: of the study; the first is that of the resamples.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
    """
    chosen, parts, ranked = Options(**options), list[pd.DataFrame](), list[pd.DataFrame]()
    settings: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seeds[0]}
    judges, shown = chosen.judges, titles(chosen.judges)
    for test, path in planted.items():
        variant = read_table(path).to_pandas()
        doses = variant["edit"] + " " + variant["k"].astype(str)
        variant["system"] = doses + variant["author"].map(lambda author: "" if author == REFERENCE else " (system)")
        models = {model: read_scores(file) for model, file in scores[test].items()}
        grounds = {"planted": {shown[judge]: _of_planted(variant, judges, judge) for judge in judges}}
        if len(models) > 1:
            found = pd.concat([frame.assign(system=model, of=frame["id"]) for model, frame in models.items()])
            by_judge = {shown[judge]: _of_judge(found, prefix) for judge, prefix in prefixes(judges).items()}
            grounds = {"models": by_judge, **grounds}
            own = [metric for metric in judge_metrics.metrics(chosen) if metric.column in found]
            ranked.append(rank_systems(models, own, FLOOR, chosen, **settings).assign(test=test))
        for ground, frames in grounds.items():
            parts.append(agreement(frames, list(DIRECTIONS), **settings).assign(test=test, ground=ground))
    compared, ranks = (pd.concat(found) if found else pd.DataFrame() for found in (parts, ranked))
    below = provenance(config=config, seeds=seeds, corpus=corpus, resamples=resamples)
    licensed = licence_frame(licences, chosen)
    write_csv(licensed, tables["licences"].with_suffix(".csv"))
    words = ["Bounds of the shares, and their reasons: docs/judges.md.", "", *below]
    write_pages("Licences of the judges", licence_grids(licensed), words, tables["licences"])
    for name, title, frame, grids, notes in (
        ("agreement", "How far the judges agree", compared, agreement_grids, agreement_notes),
        ("rankings", "How the judges rank the systems", ranks, partial(ranking_grids, published=FLOOR), ranking_notes),
    ):
        write_csv(frame, tables[name].with_suffix(".csv"))
        write_pages(title, grids(frame), [*notes(frame, level=level), *below], tables[name])


def _of_judge(models: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """One judge's scores of the models' captions, with column names without prefix."""
    named = {f"{prefix}{column}": column for column in DIRECTIONS if f"{prefix}{column}" in models}
    return models[["system", "of", *named]].rename(columns=named)


def _of_planted(variant: pd.DataFrame, judges: Mapping[str, dict[str, Any]], judge: str) -> pd.DataFrame:
    """One judge's scores of planted captions by its own settings, with column names without prefix."""
    labels = score_labels(judges)[judge].items()
    named = {label: column for label, (column, settings) in labels if settings == judges[judge] and label in variant}
    return variant[["system", "of", *named]].rename(columns=named)
