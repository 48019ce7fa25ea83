"""Shared style of all figures: fonts, and markers, lines and colours for grey print too. Functions to save figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 200  # of PNG files
COLUMN, PAGE = 3.3, 6.8  # inches: widths of a paper's column and of its text
TALLEST = 9.0  # inches: height of a page

# Curves and points differ by marker and line first, and by shade second.
MARKERS = "osD^vP*X<>hp"
LINES = ("-", "--", ":", "-.")
INK, PALE = "0.15", "0.7"  # greys: text and outlines; background lines
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # included in matplotlib, so figures are the same on every machine
    "text.parse_math": False,  # a `$` in a name or a title begins no formula
    "text.usetex": False,
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
    "svg.hashsalt": "molmix",  # the ids in the SVG are the same in every run
    "svg.fonttype": "none",  # text stays text: it can be searched and copied
}


@contextmanager
def style() -> Iterator[None]:
    """Use the style of molmix in the block, and restore the previous settings after it."""
    from matplotlib import rc_context

    with rc_context(SETTINGS):
        yield


def shades(number: int) -> list[Any]:
    """`number` colours from dark to light (cividis), evenly spaced in grey too. None is too light for print."""
    import numpy as np
    from matplotlib import colormaps

    return list(colormaps["cividis"](np.linspace(0, 0.85, number)))


def message_figure(text: str) -> Figure:
    """A figure with one line of text: the reason why there is nothing to draw."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 0.6))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def short(name: str, most: int = 30) -> str:
    """A name, shortened in the middle if it is longer than `most` characters."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def settle(figure: Figure) -> None:
    """Compute the layout of a figure now, once for both files."""
    engine = figure.get_layout_engine()
    if engine:
        engine.execute(figure)
    figure.set_layout_engine("none")


def save_svg(figure: Figure, svg: Path) -> None:
    """Write a figure as SVG. Equal figures give equal bytes."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    settle(figure)
    with write_atomically(svg) as temporary:
        FigureCanvasSVG(figure).print_svg(temporary, metadata={"Date": None})  # `savefig` would draw it twice


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write a figure as SVG and as PNG. Equal figures give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    save_svg(figure, svg)
    figure.set_dpi(_DPI)
    with write_atomically(png) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
