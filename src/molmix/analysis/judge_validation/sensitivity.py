"""How well a score distinguishes captions with planted errors from the same captions without them.

Every score gets the sign for which more is worse (*damage*). A caption without edits is the *control* of its molecule.
For each score, edit and dose:

* ``paired_auroc``: share of edited captions that have more damage than their own control; ties count half. It is the
  AUROC within pairs, also called the probability of superiority of paired data. Differences between molecules do not
  count, so one error in a long caption is seen where the score changes by it. One half means no sensitivity; harmless
  edits should have it. Scores that differ by less than :data:`TIE` are equal.
* ``beyond_harmless``: share of pairs of one caption with a harmful and with a harmless edit, of the same dose, in which
  the harmful edit costs more; ties count half. A score that punishes every change of words alike, such as ROUGE, sees
  every error and still has about one half here.
* ``auroc``: probability that an edited caption has more damage than a control of *any* of the same molecules; ties
  count half. It is what one threshold for all captions can do.
* ``balanced_accuracy``: mean of two shares: correctly classified edited captions, and correctly classified controls.
  The threshold of damage is tuned on other molecules (the other folds).
* ``spearman``: rank correlation of the change of damage (against the own control) with the number of edits, 0 (the
  control itself) included, over all captions.
* ``false_alarms``: share of captions above the threshold that best separates all harmful edits from the controls of
  other molecules. It is given for harmless edits and for the controls themselves.
* ``change``: mean of an edited caption's score minus its control's score, in the score's own unit and direction.

Intervals are percentile bootstrap intervals over molecules. The folds' thresholds are fixed, so the intervals include
the sampling of the judged molecules, but not of those for tuning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from molmix.analysis.bootstrap import Replicates
from molmix.analysis.judge_validation.perturbations import CONTROL, EDITS, HARMFUL, HARMLESS
from molmix.analysis.judge_validation.ranks import auroc, shares, spearman, sums_by, weights_of
from molmix.analysis.tables import Cell, Grid, figure_cell
from molmix.core.errors import counted, fault

TIE = 1e-6  # scores closer than this are equal: sums in another order, or rounding of the NLI model
FIGURES = ("paired_auroc", "beyond_harmless", "auroc", "balanced_accuracy", "spearman", "false_alarms", "change")


@dataclass(frozen=True)
class _Scores:
    """Variants of one score with their controls; without undefined variants and those without a control.

    Attributes:
        damage: of each variant (n,).
        control: damage of the control of the same molecule (n,).
        owner: index of its molecule (n,).
        k: number of its edits (n,).
        undefined: number of edits of each omitted variant (m,).
    """

    damage: np.ndarray
    control: np.ndarray
    owner: np.ndarray
    k: np.ndarray
    undefined: np.ndarray


@dataclass(frozen=True)
class _Draws:
    """Draws for all figures: number of draws of each molecule (1 + resamples, molecules), and its fold."""

    weights: np.ndarray
    fold: np.ndarray


def measure_sensitivity(
    frame: pd.DataFrame,
    directions: Mapping[str, Literal["higher", "lower"]],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    folds: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Every figure of every score, edit and dose.

    Args:
        frame: one row per variant of :func:`molmix.analysis.judge_validation.planting.plant`: columns of, edit, k and
            the scores (NaN if undefined).
        directions: for each score's column, whether higher or lower is better.
        resamples: of the molecules.
        level: of the intervals.
        folds: parts of the molecules; each part is classified with thresholds tuned on the others.
        seed: of resamples and folds.

    Returns:
        Long form: column, better (its direction), edit, kind (``harmful``, ``harmless``, ``control``), k (null: all
        doses), n (captions), undefined (captions left out because the score, or its control's, is NaN), each of
        :data:`FIGURES` with its ``_low`` and ``_high``, and deviation (the score's standard deviation over all
        captions, to compare changes by). ``spearman`` is over all doses, so null where k is given; ``false_alarms`` is
        null for harmful edits, ``beyond_harmless`` for all others, and all but ``change`` and ``false_alarms`` are
        null for the controls.

    Raises:
        MolmixError: a column is missing, an edit is unknown, or there are no controls.
    """
    _check(frame, directions)
    names = np.unique(frame["of"].to_numpy(dtype=str))
    draws = _Draws(
        weights_of(len(names), resamples, seed),
        np.random.default_rng(seed).permutation(len(names)) % max(folds, 1),
    )
    edits = [edit for edit in EDITS if edit in set(frame["edit"])]
    rows = []
    for column, better in directions.items():
        by_edit = {edit: _scores(frame, column, edit, names, better) for edit in edits}
        alarms = _thresholds([by_edit[edit] for edit in edits if EDITS[edit].kind == HARMFUL], draws.fold)
        harmless = _changes([by_edit[edit] for edit in edits if EDITS[edit].kind == HARMLESS], len(names))
        deviation = float(frame[column].std(ddof=0))
        for edit, scores in by_edit.items():
            kind = EDITS[edit].kind
            for k, dosed in _doses(scores) if kind != CONTROL else [(0, scores)]:
                figures = _figures(dosed, draws, alarms, harmless, kind=kind, pooled=k is None)
                if better == "higher":
                    figures["change"] = -figures["change"]
                row: dict[str, Any] = {"column": column, "better": better, "edit": edit, "kind": kind, "k": k}
                row |= {"n": len(dosed.damage), "undefined": len(dosed.undefined)}
                for name in FIGURES:
                    row |= _interval(name, figures.get(name), len(np.unique(dosed.owner)), level)
                rows.append(row | {"deviation": deviation})
    return pd.DataFrame(rows).astype({"k": "Int64"})


def _changes(harmless: list[_Scores], molecules: int) -> np.ndarray:
    """Changes of damage by harmless edits: array (molecules, doses + 1, edits), NaN where there is none."""
    doses = max((int(scores.k.max(initial=0)) for scores in harmless), default=0)
    table = np.full((molecules, doses + 1, len(harmless)), np.nan)
    for column, scores in enumerate(harmless):
        table[scores.owner, scores.k, column] = scores.damage - scores.control
    return table


def _figures(
    scores: _Scores, draws: _Draws, alarms: np.ndarray, harmless: np.ndarray, *, kind: str, pooled: bool
) -> dict[str, np.ndarray]:
    """Each figure of some variants, for the sample and each resample: arrays (1 + resamples,)."""
    molecules = len(draws.fold)
    owner, first = scores.owner, np.unique(scores.owner, return_index=True)[1]
    own, own_control = owner[first], scores.control[first]  # each control once
    weights = draws.weights

    def mean(values: np.ndarray) -> np.ndarray:
        return shares(weights @ sums_by(owner, molecules, values, np.ones(len(owner))))

    change = scores.damage - scores.control
    change[np.abs(change) < TIE] = 0
    figures = {"change": mean(change)}
    if kind == HARMFUL and harmless.shape[1] > scores.k.max(initial=0):
        others = harmless[owner, scores.k]  # (n, harmless edits)
        gap = change[:, None] - others
        wins = np.where(np.isnan(gap), 0, (1 + np.sign(np.where(np.abs(gap) < TIE, 0, gap))) / 2).sum(axis=1)
        figures["beyond_harmless"] = shares(weights @ sums_by(owner, molecules, wins, (~np.isnan(gap)).sum(axis=1)))
    if kind != HARMFUL:
        figures["false_alarms"] = mean(scores.damage >= alarms[draws.fold[owner]])
    if kind != CONTROL:
        figures["paired_auroc"] = mean((1 + np.sign(change)) / 2)
        figures["auroc"] = auroc(scores.damage, own_control, weights[:, owner], weights[:, own])
        thresholds = _thresholds([scores], draws.fold)
        right = mean(scores.damage >= thresholds[draws.fold[owner]])
        spared = own_control < thresholds[draws.fold[own]]
        specificity = shares(weights @ sums_by(own, molecules, spared, np.ones(len(own))))
        figures["balanced_accuracy"] = (right + specificity) / 2
        if pooled:
            doses = np.concatenate([scores.k, np.zeros(len(own))])
            changes = np.concatenate([change, np.zeros(len(own))])
            figures["spearman"] = spearman(changes, doses, weights[:, np.concatenate([owner, own])])
    return figures


def _thresholds(groups: list[_Scores], fold: np.ndarray) -> np.ndarray:
    """For each fold, the threshold of damage for edited captions, tuned on the other folds' molecules.

    The threshold is the midpoint of two values with the best balanced accuracy. Of equally good ones, the highest is
    taken, so that a score without information classifies no caption as edited.
    """
    tuned = np.full(int(fold.max(initial=0)) + 1, np.inf)
    if not groups:
        return tuned
    damage, control, owner = (
        np.concatenate([getattr(scores, name) for scores in groups]) for name in ("damage", "control", "owner")
    )
    first = np.unique(owner, return_index=True)[1]
    for number in range(len(tuned)):
        edited = np.sort(damage[fold[owner] != number])
        spared = np.sort(control[first][fold[owner[first]] != number])
        if not len(edited) or not len(spared):
            continue
        values = np.unique(np.concatenate([edited, spared]))
        cuts = np.append((values[:-1] + values[1:]) / 2, np.inf)
        hits = 1 - np.searchsorted(edited, cuts) / len(edited)
        passes = np.searchsorted(spared, cuts) / len(spared)
        accuracy = hits + passes
        tuned[number] = cuts[np.flatnonzero(accuracy >= accuracy.max() - 1e-12)[-1]]
    return tuned


def _doses(scores: _Scores) -> Iterator[tuple[int | None, _Scores]]:
    """The variants of each dose, and of all doses."""
    for k in np.unique(np.concatenate([scores.k, scores.undefined])):
        own = scores.k == k
        undefined = scores.undefined[scores.undefined == k]
        yield int(k), _Scores(scores.damage[own], scores.control[own], scores.owner[own], scores.k[own], undefined)
    yield None, scores


def _scores(frame: pd.DataFrame, column: str, edit: str, names: np.ndarray, better: str) -> _Scores:
    """The variants of one edit with their controls."""
    damage = frame[column].to_numpy(dtype=float) * (1 if better == "lower" else -1)
    owner = np.searchsorted(names, frame["of"].to_numpy(dtype=str))
    is_control = (frame["edit"] == "none").to_numpy()
    controls = np.full(len(names), np.nan)
    controls[owner[is_control]] = damage[is_control]
    chosen = (frame["edit"] == edit).to_numpy()
    defined = chosen & ~np.isnan(damage) & ~np.isnan(controls[owner])
    k = frame["k"].to_numpy(dtype=int)
    return _Scores(damage[defined], controls[owner[defined]], owner[defined], k[defined], k[chosen & ~defined])


def _interval(name: str, draws: np.ndarray | None, molecules: int, level: float) -> dict[str, float]:
    if draws is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
    found = Replicates(float(draws[0]), draws[1:], molecules).interval(level)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _check(frame: pd.DataFrame, directions: Mapping[str, str]) -> None:
    for column in ("of", "edit", "k", *directions):
        if column not in frame:
            raise fault("scores of planted captions", f"there is no column {column!r}.", "Score the captions anew.")
    unknown = sorted(set(frame["edit"]) - EDITS.keys())
    if unknown:
        raise fault("scores of planted captions", f"there is no edit {unknown[0]!r}.", "Plant the captions anew.")
    if not (frame["edit"] == "none").any():
        raise fault("scores of planted captions", "there are no controls.", "Score the variants of edit 'none' too.")


# ---- tables ----------------------------------------------------------------------------------------------------------


def sensitivity_grids(measured: pd.DataFrame, title: str, molecules: int) -> list[Grid]:
    """Tables: how well each score detects an error (two figures), how it follows the dose, and its false alarms.

    Args:
        measured: result of :func:`measure_sensitivity` for a test set.
        title: which captions of which test set.
        molecules: how many.

    Returns:
        The tables. In each column of an error, the highest figure is bold if its interval is above all others. A table
        without errors is left out.
    """
    pooled = measured[measured["k"].isna() | (measured["kind"] == CONTROL)]
    harmful = pooled[pooled["kind"] == HARMFUL]
    seen, alarms = pooled[pooled["kind"] != CONTROL], pooled[pooled["kind"] != HARMFUL]
    of = f", {counted(molecules, 'molecule')}"
    grids = [
        _matrix(f"{title}: does it see the error? (AUROC within pairs{of})", seen, "paired_auroc", harmful),
        _matrix(f"{title}: does it cost more than a harmless edit? (AUROC{of})", harmful, "beyond_harmless", harmful),
        _matrix(f"{title}: one threshold for all captions (AUROC between molecules{of})", seen, "auroc", harmful),
        _matrix(f"{title}: does it follow the dose? (Spearman correlation{of})", seen, "spearman", harmful),
        _matrix(f"{title}: false alarms (share of captions{of})", alarms, "false_alarms", harmful),
    ]
    return [grid for grid in grids if len(grid.header) > 1]


def sensitivity_notes(measured: pd.DataFrame, *, level: float) -> list[str]:
    """Notes on the tables, in Markdown.

    Args:
        measured: rows of all test sets.
        level: of their intervals.
    """
    pooled = measured[measured["k"].isna() & (measured["kind"] != CONTROL)]
    harmless = ", ".join(pooled.loc[pooled["kind"] == HARMLESS, "edit"].unique())
    left_out = int(pooled["undefined"].sum())
    said = [
        f"Each figure stands with half the width of its {level:.0%} interval (bootstrap over molecules).",
        "- AUROC within pairs: share of edited captions, over all doses, that score worse than the same caption "
        "without the edit (ties count half). A blind score has .5, "
        f"which is right where the edit does no harm ({harmless or 'none here'}).",
        "- AUROC against harmless edits: share of pairs of one caption with a harmful and with a harmless edit, of the "
        "same dose, in which the harmful one costs more. A score that punishes every change of words has about .5.",
        "- AUROC between molecules: chance that an edited caption scores worse than an unedited one of any molecule.",
        "- Spearman correlation of the change for the worse with the number of edits.",
        "- False alarms: share of captions that the threshold tuned on the harmful edits of other molecules calls "
        "edited; `none` is the unedited caption itself.",
        "- Bold: above all others of its column, interval over interval.",
        "- Edited references: an unedited reference equals its reference word for word, so metrics of text see every "
        "edit. Edited captions of systems: one of each molecule, in which only what the reference states is changed.",
    ]
    if left_out:
        said.append(f"- Left out: {left_out} scores that are undefined (NaN), over all scores and edits.")
    return said


def _matrix(title: str, rows: pd.DataFrame, figure: str, rivals: pd.DataFrame) -> Grid:
    edits = list(rows["edit"].unique())
    lines = []
    for column, own in rows.groupby("column", sort=False):
        by_edit = {row["edit"]: row for _, row in own.iterrows()}
        cells = [
            figure_cell(by_edit[edit], figure, bold=_is_best(by_edit[edit], figure, rivals))
            if edit in by_edit
            else Cell("–")
            for edit in edits
        ]
        lines.append([Cell(str(column)), *cells])
    return Grid(title, ["score", *edits], lines)


def _is_best(row: pd.Series, figure: str, rivals: pd.DataFrame) -> bool:
    """Whether the interval of a row is above the intervals of all others of its edit."""
    others = rivals[(rivals["edit"] == row["edit"]) & (rivals["column"] != row["column"])]
    return len(others) > 0 and bool(row[f"{figure}_low"] > others[f"{figure}_high"].max())
