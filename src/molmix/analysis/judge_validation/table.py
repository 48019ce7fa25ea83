"""The trial's figures for people: a row a score, a column an edit."""

import pandas as pd

from molmix.analysis.judge_validation.perturbations import CONTROL, HARMFUL, HARMLESS
from molmix.analysis.tables import Cell, Grid


def grids(measured: pd.DataFrame, test: str) -> list[Grid]:
    """Three tables: how well each score sees an error, how it follows the dose, and its false alarms.

    Args:
        measured: what :func:`molmix.analysis.judge_validation.sensitivity.measure` made of a test set.
        test: its name.

    Returns:
        In each column of an error the highest figure is bold, if its interval lies above those of all others.
    """
    pooled = measured[measured["k"].isna() | (measured["kind"] == CONTROL)]
    harmful = pooled[pooled["kind"] == HARMFUL]
    seen, alarms = pooled[pooled["kind"] != CONTROL], pooled[pooled["kind"] != HARMFUL]
    return [
        _matrix(f"{test}: does it see the error? (AUROC)", seen, "auroc", harmful),
        _matrix(f"{test}: does it follow the dose? (Spearman correlation)", seen, "spearman", harmful),
        _matrix(f"{test}: false alarms (share of captions)", alarms, "false_alarms", harmful),
    ]


def notes(measured: pd.DataFrame, *, level: float) -> list[str]:
    """What the three tables show, in Markdown.

    Args:
        measured: rows of all test sets.
        level: of their intervals.
    """
    pooled = measured[measured["k"].isna() & (measured["kind"] != CONTROL)]
    harmless = ", ".join(pooled.loc[pooled["kind"] == HARMLESS, "edit"].unique())
    left_out = int(pooled["undefined"].sum())
    said = [
        f"Each figure stands with half the width of its {level:.0%} interval (bootstrap over molecules).",
        "- AUROC: chance that an edited caption looks worse than a reference, over all doses. A blind score has .5, "
        f"which is right where the edit does no harm ({harmless or 'none here'}).",
        "- Spearman correlation of the damage seen with the number of edits.",
        "- False alarms: share of captions that the threshold tuned on the harmful edits of other molecules calls "
        "edited; `none` is the reference itself.",
        "- Bold: above all others of its column, interval over interval.",
    ]
    if left_out:
        said.append(f"- Left out: {left_out} scores that are undefined (NaN), over all scores and edits.")
    return said


def cell(row: pd.Series, figure: str, *, bold: bool = False) -> Cell:
    """A figure with half the width of its interval; a dash where it is undefined."""
    if pd.isna(row[figure]):
        return Cell("–")
    half = (row[f"{figure}_high"] - row[f"{figure}_low"]) / 2
    text = f"{row[figure]:.2f}" + (f" ±{half:.2f}" if pd.notna(half) else "")
    return Cell(text.replace("0.", ".").replace("-", "−"), bold=bold)


def _matrix(title: str, rows: pd.DataFrame, figure: str, rivals: pd.DataFrame) -> Grid:
    edits = list(rows["edit"].unique())
    lines = []
    for column, own in rows.groupby("column", sort=False):
        by_edit = {row["edit"]: row for _, row in own.iterrows()}
        cells = [
            cell(by_edit[edit], figure, bold=_is_best(by_edit[edit], figure, rivals)) if edit in by_edit else Cell("–")
            for edit in edits
        ]
        lines.append([Cell(str(column)), *cells])
    return Grid(title, ["score", *edits], lines)


def _is_best(row: pd.Series, figure: str, rivals: pd.DataFrame) -> bool:
    """Whether a row is above all others of its edit, interval over interval."""
    others = rivals[(rivals["edit"] == row["edit"]) & (rivals["column"] != row["column"])]
    return len(others) > 0 and bool(row[f"{figure}_low"] > others[f"{figure}_high"].max())
