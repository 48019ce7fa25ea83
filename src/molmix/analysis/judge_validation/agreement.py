"""Agreement of two judges (decomposers, NLI models): on the order of systems, and on single captions.

With few systems, a rank correlation is coarse: four systems have six pairs, so Kendall's tau changes in steps of a
third, and its interval has little information. So the groups of planted captions (an edit and its dose) are used as
systems too: they are many, and their order is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from molmix.analysis.bootstrap import Replicates
from molmix.analysis.judge_validation.ranks import kendall, rank_correlation, shares, spearman, weights_of
from molmix.analysis.tables import Cell, Grid, figure_cell
from molmix.core.errors import fault

GROUNDS = {"models": "the models", "planted": "planted captions, each edit and dose a system"}
FIGURES = ("kendall", "spearman", "caption_spearman", "ordered_alike")


def agreement(
    frames: Mapping[str, pd.DataFrame],
    columns: list[str],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Agreement of every pair of judges on every score.

    * ``kendall`` (tau-b), ``spearman``: between the systems' mean scores by the two judges.
    * ``caption_spearman``: over all captions of all systems.
    * ``ordered_alike``: share of the pairs of systems' captions of one molecule that both judges put in the same
      order. A tie is a third order, so a tie by only one judge is a disagreement.

    Captions count, also in a system's mean, if both judges give them a score.

    Args:
        frames: by judge, a row per caption: columns system, of (its molecule) and the scores; the rows may be in any
            order, each (system, of) once.
        columns: scores to compare; a score that one judge lacks is skipped.
        resamples: of the molecules.
        level: of the bootstrap intervals over molecules.
        seed: of the resamples, which all pairs share.

    Returns:
        Columns one, other (judges), column, systems, captions, undefined (captions with a
        score by one of them only), and each of :data:`FIGURES` with its ``_low`` and ``_high``.

    Raises:
        MolmixError: a column system or of is missing, or a judge scored a caption twice.
    """
    grids = {judge: _scores_by_system(judge, frame, columns) for judge, frame in frames.items()}
    rows = []
    for (one, first), (other, second) in combinations(grids.items(), 2):
        for column in [name for name in columns if name in first and name in second]:
            left, right = first[column].align(second[column])
            weights = weights_of(left.shape[0], resamples, seed)
            a, b = left.to_numpy(dtype=float), right.to_numpy(dtype=float)
            both, either = ~np.isnan(a) & ~np.isnan(b), ~np.isnan(a) | ~np.isnan(b)
            a, b = np.where(both, a, np.nan), np.where(both, b, np.nan)
            row = {"one": one, "other": other, "column": column, "systems": int(both.any(axis=0).sum())}
            row |= {"captions": int(both.sum()), "undefined": int(either.sum() - both.sum())}
            for name, draws in _figures(a, b, weights).items():
                found = Replicates(float(draws[0]), draws[1:], int(both.any(axis=1).sum())).interval(level)
                row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
            rows.append(row)
    return pd.DataFrame(rows)


def agreement_grids(agreements: pd.DataFrame) -> list[Grid]:
    """A table for each test set and each sort of systems.

    Args:
        agreements: rows of :func:`agreement`, with columns test and ground (a key of :data:`GROUNDS`); may be empty.
    """
    if agreements.empty:
        return []
    header = ["judges", "score", "systems", "captions", "Kendall", "Spearman", "of captions", "ordered alike"]
    made = []
    for (test, ground), rows in agreements.groupby(["test", "ground"], sort=False):
        lines = [
            [Cell(f"{row['one']}, {row['other']}"), Cell(row["column"])]
            + [Cell(str(row[name])) for name in ("systems", "captions")]
            + [figure_cell(row, figure) for figure in FIGURES]
            for _, row in rows.iterrows()
        ]
        made.append(Grid(f"{test}: {GROUNDS[str(ground)]}", header, lines, names=2))
    return made


def agreement_notes(agreements: pd.DataFrame, *, level: float) -> list[str]:
    """Notes on the tables, in Markdown."""
    if agreements.empty:
        return ["There are no two judges with a score in common.", ""]
    return [
        f"Each figure stands with half the width of its {level:.0%} interval (bootstrap over molecules). Kendall's "
        "tau-b and Spearman's correlation are between the orders in which two judges put the systems (coarse where "
        "these are few); then Spearman's over the captions; then the share of pairs of captions of one molecule that "
        "both order alike.",
        "",
    ]


def _figures(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Each figure over the sample and each resample.

    Args:
        a: one judge's scores (molecules, systems), NaN where the other judge has none.
        b: the other judge's scores.
        weights: array (1 + resamples, molecules).
    """
    held = ~np.isnan(a)
    means = [shares(np.stack([weights @ np.where(held, scores, 0), weights @ held], axis=-1)) for scores in (a, b)]
    whole = held.any(axis=0)
    of = np.nonzero(held)[0]
    row, column = np.triu_indices(a.shape[1], k=1)
    paired = held[:, row] & held[:, column]
    same_order = np.sign(a[:, row] - a[:, column]) == np.sign(b[:, row] - b[:, column])
    pairs = np.stack([(same_order & paired).sum(axis=1), paired.sum(axis=1)], axis=1)
    return {
        "kendall": kendall(*(mean[:, whole] for mean in means)),
        "spearman": rank_correlation(*(mean[:, whole] for mean in means)),
        "caption_spearman": spearman(a[held], b[held], weights[:, of]),
        "ordered_alike": shares(weights @ pairs),
    }


def _scores_by_system(judge: str, frame: pd.DataFrame, columns: list[str]) -> dict[str, pd.DataFrame]:
    """Scores by column: molecules × systems."""
    for name in ("system", "of"):
        if name not in frame:
            raise fault(f"scores of {judge}", f"there is no column {name!r}.", "Name the system and molecule of each.")
    if frame.duplicated(["system", "of"]).any():
        twice = frame[frame.duplicated(["system", "of"])].iloc[0]
        raise fault(
            f"scores of {judge}",
            f"{twice['system']} has two captions of {twice['of']}.",
            "Score each caption once.",
        )
    return {name: frame.pivot(index="of", columns="system", values=name) for name in columns if name in frame}
