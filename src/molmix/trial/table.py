"""The trial's figures as Markdown: a row a score, a column an edit."""

import pandas as pd

from molmix.trial.edits import CONTROL, HARMFUL, HARMLESS


def markdown(measured: pd.DataFrame, *, level: float = 0.95) -> str:
    """Three tables: how well each score sees an error, how it follows the dose, and its false alarms.

    Args:
        measured: what :func:`molmix.trial.measure.measure` made.
        level: of its intervals, for the words.

    Returns:
        Markdown. In each column of an error the highest figure is bold, if its interval lies above those of all others.
    """
    pooled = measured[measured["k"].isna() | (measured["kind"] == CONTROL)]
    harmful, harmless = (pooled[pooled["kind"] == kind] for kind in (HARMFUL, HARMLESS))
    seen, alarms = pooled[pooled["kind"] != CONTROL], pooled[pooled["kind"] != HARMFUL]
    parts = [
        "### Does it see the error?",
        "",
        "AUROC: chance that an edited caption looks worse than a reference, over all doses, with half the width of "
        f"its {level:.0%} interval (bootstrap over molecules). A blind score has .5, which is right where the edit "
        f"does no harm ({', '.join(harmless['edit'].unique())}).",
        "",
        *_matrix(seen, "auroc", harmful),
        "",
        "### Does it follow the dose?",
        "",
        "Spearman correlation of the damage seen with the number of edits.",
        "",
        *_matrix(seen, "spearman", harmful),
        "",
        "### False alarms",
        "",
        "Share of captions that the threshold tuned on the harmful edits of other molecules calls edited; `none` is "
        "the reference itself.",
        "",
        *_matrix(alarms, "false_alarms", harmful),
    ]
    left_out = int(seen["undefined"].sum())
    if left_out:
        parts += ["", f"Left out: {left_out} scores that are undefined (NaN), over all scores and edits."]
    return "\n".join(parts) + "\n"


def cell(row: pd.Series, figure: str, *, bold: bool = False) -> str:
    """A figure with half the width of its interval; a dash where it is undefined."""
    if pd.isna(row[figure]):
        return "–"
    value = f"**{row[figure]:.2f}**" if bold else f"{row[figure]:.2f}"
    half = (row[f"{figure}_high"] - row[f"{figure}_low"]) / 2
    return (f"{value} ±{half:.2f}" if pd.notna(half) else value).replace("0.", ".")


def _matrix(rows: pd.DataFrame, figure: str, rivals: pd.DataFrame) -> list[str]:
    edits = list(rows["edit"].unique())
    lines = ["| score | " + " | ".join(edits) + " |", "| --- |" + " ---: |" * len(edits)]
    for column, own in rows.groupby("column", sort=False):
        by_edit = {row["edit"]: row for _, row in own.iterrows()}
        cells = (
            cell(by_edit[edit], figure, bold=_is_best(by_edit[edit], figure, rivals)) if edit in by_edit else "–"
            for edit in edits
        )
        lines.append(f"| {column} | " + " | ".join(cells) + " |")
    return lines


def _is_best(row: pd.Series, figure: str, rivals: pd.DataFrame) -> bool:
    """Whether a row is above all others of its edit, interval over interval."""
    others = rivals[(rivals["edit"] == row["edit"]) & (rivals["column"] != row["column"])]
    return len(others) > 0 and bool(row[f"{figure}_low"] > others[f"{figure}_high"].max())
