"""Write the table of scores, one row per caption with every metric: the input of comparisons, intervals and plots."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from molmix.core.errors import fault
from molmix.core.files import read_rows_of, read_table, write_table
from molmix.metrics import Answers, Options, Pooled, immediate_metrics, load_families
from molmix.metrics.aggregate import SET_FIGURES
from molmix.models.precision import DTYPE


def write_scores(
    *,
    test: Path,
    direction: str,
    predictions: Path,
    judged: dict[str, Path],
    text2mol: Path | None,
    out: Path,
    options: dict[str, Any],
) -> None:
    """Score one model's answers on one test set by every family of metrics that applies.

    Args:
        test: the test set (columns of `molmix.data.corpus.TEST`).
        direction: `mol2cap` or `cap2mol`.
        predictions: the model's answers (columns id, text, finish).
        judged: by judge, the table that its scores are made from; empty if answers are molecules.
        text2mol: Text2Mol similarities, if they were measured.
        out: table to write: id, text, finish and a column for each score. Its metadata says in which number type the
            answers were written, as that of `predictions`, and holds the figures of all answers together
            (:data:`molmix.metrics.aggregate.SET_FIGURES`).
        options: see :class:`molmix.metrics.Options`.

    Raises:
        MolmixError: the predictions, or tables made from them, do not belong to the test set.
    """
    rows = read_table(test).to_pylist()
    ids = [row["id"] for row in rows]
    answers = read_rows_of(predictions, ids, test, ["id", "text", "finish"])
    given = replace(
        _answers(rows, answers["text"].to_pylist(), direction, Options(**options)),
        judged={judge: read_rows_of(path, ids, test) for judge, path in judged.items()},
        text2mol=read_rows_of(text2mol, ids, test) if text2mol else None,
    )
    chosen = [family for family in load_families() if direction == family.DIRECTION]
    frame = pd.concat([answers.to_pandas(), *_measure(chosen, given)], axis=1)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    extra = {key: value for key, value in (answers.schema.metadata or {}).items() if key == DTYPE.encode()}
    of_set: dict[str, float] = {}
    for family in chosen:
        of_set |= family.measure_set(given) if hasattr(family, "measure_set") else {}
    if of_set:
        extra[SET_FIGURES.encode()] = json.dumps(of_set).encode()
    write_table(out, table.replace_schema_metadata({**table.schema.metadata, **extra}))


def _measure(families: Iterable[ModuleType], answers: Answers) -> list[pd.DataFrame]:
    """The columns of the families that have a value for each answer, and apply."""
    asked = (family for family in families if hasattr(family, "measure"))
    return [columns for family in asked if (columns := family.measure(answers)) is not None]


def _answers(rows: Sequence[dict[str, Any]], texts: list[str], direction: str, options: Options) -> Answers:
    """Answers to the rows of a test set, without the tables that other jobs make from them."""
    return Answers(
        direction=direction,
        texts=texts,
        molecules=[row["molecule"] for row in rows],
        smiles=[row["smiles"] or row["molecule"] for row in rows],
        references=[row["references"] for row in rows],
        facts=[row["facts"] for row in rows],
        truth=[row["truth"] for row in rows],
        judged={},
        properties=[row["properties"] for row in rows],
        options=options,
    )


def scores_of_captions(
    rows: Sequence[dict[str, Any]],
    captions: list[str],
    metrics: Iterable[str],
    options: Options,
    judged: Mapping[str, pa.Table] = MappingProxyType({}),
) -> pd.DataFrame:
    """Scores of captions, one row each, by the families of some metrics.

    Args:
        rows, captions, metrics, options: of :func:`caption_figures`.
        judged: the tables of judges (:func:`molmix.judges.kinds.score_captions`) by name.

    Returns:
        The columns of these metrics that are defined for the rows, and further ones of the same families.
    """
    wanted = {*metrics}
    answers = replace(_answers(rows, captions, "mol2cap", options), judged=dict(judged))
    families = (family for family in load_families() if family.DIRECTION == "mol2cap")
    chosen = [family for family in families if wanted & {metric.column for metric in family.metrics(options)}]
    frames = _measure(chosen, answers)
    return pd.concat(frames, axis=1) if frames else pd.DataFrame(index=range(len(captions)))


def caption_figures(
    rows: Sequence[dict[str, Any]],
    captions: list[str],
    metrics: Sequence[str],
    options: Options,
    judged: Mapping[str, pa.Table] = MappingProxyType({}),
) -> dict[str, float]:
    """Figures of captions as in the leaderboard, by metric: the mean over the captions, or the corpus BLEU.

    Args:
        rows: what the captions describe, as :func:`molmix.data.corpus.read_molecules` gives it.
        captions: one for each row.
        metrics: columns of :func:`molmix.metrics.immediate_metrics`, or of the judges of `judged`.
        options: settings of the metrics.
        judged: the tables of judges by name.

    Raises:
        MolmixError: a metric is not defined for these rows, such as fact F1 where no facts are known.
    """
    frame = scores_of_captions(rows, captions, metrics, options, judged)
    pooled: dict[str, Pooled] = {}
    for family in load_families():
        if hasattr(family, "pooled") and {metric.column for metric in family.metrics(options)} & {*metrics}:
            pooled |= family.pooled(frame, options)
    figures: dict[str, float] = {}
    for column in metrics:
        if column in pooled:
            sums, figure = pooled[column]
            figures[column] = float(figure(np.asarray(sums.sum(axis=0)).ravel()))
        elif column in frame:
            figures[column] = float(frame[column].mean())
    # A judge may have no value for any caption, for example if all of them are empty.
    immediate = {metric.column for metric in immediate_metrics(options)}
    if undefined := [name for name in metrics if name in immediate and not np.isfinite(figures.get(name, np.nan))]:
        what = f"{undefined[0]!r} has no value for these {len(rows)} molecules: the data lack what it needs"
        raise fault("data.validation", what, "choose a metric of captions alone, such as bleu4 or rougeL")
    return {name: figures[name] for name in metrics}
