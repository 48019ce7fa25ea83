"""What all figures share: fonts, markers, lines and shades that survive a grey print, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.3, 6.8  # inches: widths of a paper's column and of its text
TALLEST = 9.0  # inches: a page

# Told apart by marker and line, and only then by shade
MARKERS = "osD^vP*X<>hp"
LINES = ("-", "--", ":", "-.")
INK, PALE = "0.15", "0.7"  # of text and outlines; of what stands behind
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the figure is the same everywhere
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "figure.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "svg.hashsalt": "molmix",  # else the ids in the SVG differ from run to run
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
}


@contextmanager
def style() -> Iterator[None]:
    """Draw within this; all that is set is set back."""
    from matplotlib import rc_context

    with rc_context(SETTINGS):
        yield


def shades(number: int) -> list[Any]:
    """So many colours from dark to light, as far apart in grey as in colour (cividis); none too light for paper."""
    import numpy as np
    from matplotlib import colormaps

    return list(colormaps["cividis"](np.linspace(0, 0.85, number)))


def nothing(text: str) -> Figure:
    """What is drawn where there is nothing to draw: a line that says so."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 0.6))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def short(name: str, most: int = 30) -> str:
    """A name that may be too long to stand in a figure: its two ends."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def settle(figure: Figure) -> None:
    """Lay a figure out now and for good, once for both files."""
    engine = figure.get_layout_engine()
    if engine:
        engine.execute(figure)
    figure.set_layout_engine("none")


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write a figure twice; equal figures make equal bytes."""
    settle(figure)
    with write_atomically(svg) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    with write_atomically(png) as temporary:
        figure.savefig(temporary, format="png", dpi=200)
