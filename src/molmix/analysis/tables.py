"""Tables for people (Markdown and LaTeX from one grid of cells) and for programs (CSV).

Names of models, test sets and metrics come from configs and files, so all text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from molmix.core.errors import fault
from molmix.core.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from molmix.metrics import Metric

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets read text that begins with these as a formula
_ARROWS = {"higher": "↑", "lower": "↓"}

_MARKDOWN = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "*": "\\*", "`": "\\`", "<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "}
)
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}"},
        **{"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "−": "$-$", "–": "--", "×": r"$\times$"},
        **{"≤": r"$\leq$", "√": r"$\surd$", "†": r"$\dagger$", "·": r"$\cdot$", "\n": " ", "\r": " "},
    }
)


def titled(metric: Metric) -> str:
    """A metric's title, with the direction that is better."""
    return f"{metric.title} {_ARROWS[metric.better]}"


@dataclass(frozen=True)
class Cell:
    """One cell of a grid.

    Attributes:
        text: the text, not escaped.
        bold, star: its marks.
    """

    text: str
    bold: bool = False
    star: bool = False

    def markdown(self) -> str:
        """The cell, escaped."""
        text = markdown_text(self.text) + ("\\*" if self.star else "")
        return f"**{text}**" if self.bold else text

    def latex(self) -> str:
        """The cell, escaped."""
        text = latex_text(self.text)
        return (rf"\textbf{{{text}}}" if self.bold else text) + ("$^{*}$" if self.star else "")


@dataclass(frozen=True)
class Grid:
    """A table with a title: the first `names` columns hold names, the others figures.

    A row may be shorter than the header: the remaining cells are empty.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int = 1


def markdown(
    title: str,
    grids: Iterable[Grid],
    notes: Sequence[str],
    warnings: Sequence[str] = (),
    opening: Sequence[str] = (),
) -> str:
    """A page of grids, with warnings (text, not escaped) and an opening above and notes below them, in Markdown."""
    parts = [f"# {markdown_text(title)}", ""]
    for warning in warnings:
        parts += [f"> **Warning:** {warning}", ""]
    parts += opening
    for grid in grids:
        figures = len(grid.header) - grid.names
        parts += [f"## {markdown_text(grid.title)}", "", _row(map(markdown_text, grid.header))]
        parts.append("|" + " --- |" * grid.names + " ---: |" * figures)
        parts += [_row(cell.markdown() for cell in _whole(grid, row)) for row in grid.rows]
        parts.append("")
    return "\n".join([*parts, *notes]) + "\n"


def latex(grids: Iterable[Grid], notes: Sequence[str], warnings: Sequence[str] = ()) -> str:
    """The same grids as LaTeX tables (booktabs), each with the warnings below it; notes are comments."""
    parts = [r"% Needs \usepackage{booktabs}.", *(f"% {' '.join(note.split())}".rstrip() for note in notes)]
    for grid in grids:
        columns = "l" * grid.names + "r" * (len(grid.header) - grid.names)
        parts += ["", r"\begin{table}", r"\centering", rf"\caption{{{latex_text(grid.title)}}}"]
        parts += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        parts += [" & ".join(map(latex_text, grid.header)) + r" \\", r"\midrule"]
        # `{}` first: LaTeX would read a cell that begins with a bracket as an argument of the `\\` before it.
        parts += ["{}" + " & ".join(cell.latex() for cell in _whole(grid, row)) + r" \\" for row in grid.rows]
        parts += [r"\bottomrule", r"\end{tabular}"]
        parts += [rf"\par\smallskip{{\footnotesize Warning: {latex_text(warning)}\par}}" for warning in warnings]
        parts += [r"\end{table}"]
    return "\n".join(parts) + "\n"


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write figures and names for programs. Such a table must not contain texts that models generated.

    Raises:
        MolmixError: a cell of text begins like a formula, which a spreadsheet would run.
    """
    for column in frame.columns:
        for value in frame[column]:
            if isinstance(value, str) and value.startswith(FORMULA):
                hint = "names begin with a letter or digit: rename it"
                raise fault(path, f"column {column!r} would hold {value[:40]!r}, which spreadsheets run.", hint)
    with write_atomically(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def write_pages(
    title: str, grids: Sequence[Grid], notes: Sequence[str], stem: Path, warnings: Sequence[str] = ()
) -> None:
    """Write grids as Markdown (``<stem>.md``) and as LaTeX (``<stem>.tex``)."""
    for suffix, text in ((".md", markdown(title, grids, notes, warnings)), (".tex", latex(grids, notes, warnings))):
        with write_atomically(stem.with_suffix(suffix)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def markdown_text(text: str) -> str:
    """Text, escaped for Markdown."""
    return text.translate(_MARKDOWN)


def latex_text(text: str) -> str:
    """Text, escaped for LaTeX."""
    return text.translate(_LATEX)


def figure(
    value: float, low: float | None = None, high: float | None = None, *, signed: bool = False, digits: int = 3
) -> str:
    """A figure with half the width of its interval, if given; a dash for an undefined figure (NaN)."""
    if math.isnan(value):
        return "–"
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if low is not None and high is not None:
        text += " ±–" if math.isnan(low) else f" ±{(high - low) / 2:.{digits}f}"
    return _short(text)


def figure_cell(row: pd.Series, column: str, *, bold: bool = False) -> Cell:
    """A figure with two digits, from a row with the figure and its interval: columns `x`, `x_low` and `x_high`."""
    return Cell(figure(row[column], row[f"{column}_low"], row[f"{column}_high"], digits=2), bold=bold)


def _short(text: str) -> str:
    """Remove the zero before a decimal point, and use a minus that is as wide as a plus."""
    words = [word.replace("0.", ".", 1) if word.lstrip("+-±").startswith("0.") else word for word in text.split(" ")]
    return " ".join(words).replace("-", "−")


def _whole(grid: Grid, row: Sequence[Cell]) -> list[Cell]:
    return [*row, *[Cell("")] * (len(grid.header) - len(row))]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
