"""Make the figures of tables from models' scores, in the form that :mod:`molmix.analysis.bootstrap` resamples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from molmix.core.errors import fault
from molmix.core.files import read_table
from molmix.metrics import Options, Pooled, load_families
from molmix.metrics.degenerate import find_flaws
from molmix.models.precision import DTYPE

SET_FIGURES = "molmix_set_figures"  # metadata of a table of scores: JSON, figures of all answers together by column
Figure = tuple[str, str]  # a model and a metric's column


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """One array divided by another; NaN where the divisor is 0."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def read_scores(path: Path) -> pd.DataFrame:
    """A model's scores of one test set as :func:`without_texts`.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    return without_texts(read_table(path))


def without_texts(scores: pa.Table) -> pd.DataFrame:
    """Scores without the texts, which take more memory than all scores.

    What the tables say of the texts is kept: columns :data:`molmix.metrics.degenerate.FLAWS`, true or false, and
    ``words``, the number of words between blanks. `attrs["dtype"]` is the
    number type that the answers were written in; None for answers from elsewhere, and from earlier versions.
    `attrs["set_figures"]` has the figures of all answers together by column (`measure_set` of a metric family).
    """
    texts = scores["text"].to_pylist()
    described = find_flaws(texts, scores["finish"].to_pylist()) | {"words": [len(text.split()) for text in texts]}
    frame = scores.drop_columns("text").to_pandas().assign(**described)
    metadata = scores.schema.metadata or {}
    dtype = metadata.get(DTYPE.encode())
    frame.attrs["dtype"] = dtype and dtype.decode()
    frame.attrs["set_figures"] = json.loads(metadata.get(SET_FIGURES.encode(), b"{}"))
    return frame


def figures_of(
    frames: Mapping[str, pd.DataFrame], options: Options
) -> tuple[dict[Figure, np.ndarray], dict[Figure, Pooled]]:
    """Every scored metric of every model of one test set.

    Args:
        frames: scores by model, with a column id; the same molecules in the same order.
        options: options of the scores.

    Returns:
        Columns (molecules,) whose means are the figures, and figures that are functions of sums instead.

    Raises:
        MolmixError: the scores of two models are not of the same molecules in the same order, or their answers were not
            written in the same number type.
    """
    _check_molecules(frames)
    _check_dtypes(frames)
    columns: dict[Figure, np.ndarray] = {}
    pooled: dict[Figure, Pooled] = {}
    metrics = {family: family.metrics(options) for family in load_families()}
    for model, frame in frames.items():
        for family, own in metrics.items():
            sums = family.pooled(frame, options) if hasattr(family, "pooled") else {}
            pooled |= {(model, column): figure for column, figure in sums.items()}
            columns |= {
                (model, metric.column): frame[metric.column].to_numpy(dtype=float)
                for metric in own
                if metric.column in frame and metric.column not in sums
            }
    return columns, pooled


def _check_molecules(frames: Mapping[str, pd.DataFrame]) -> None:
    first: tuple[str, list[str]] | None = None
    for model, frame in frames.items():
        ids = frame["id"].tolist()
        if first is None:
            first = model, ids
        elif ids != first[1]:
            raise fault(
                f"scores of {model}",
                f"they are of other molecules than those of {first[0]}, or in another order",
                "score both models again: add `--forcerun score` to your command",
            )


def _check_dtypes(frames: Mapping[str, pd.DataFrame]) -> None:
    known = {model: dtype for model, frame in frames.items() if (dtype := frame.attrs.get("dtype"))}
    for model, dtype in known.items():
        first, other = next(iter(known.items()))
        if dtype != other:
            raise fault(
                f"scores of {model}",
                f"its answers were written in {dtype}, and those of {first} in {other}",
                "write all answers on one kind of hardware, or set `generation.dtype`; then add `--forcerun generate "
                "merge_and_generate` to your command",
            )
