"""Bars of differences: what is drawn is what was given, and nothing runs into anything else."""

import math
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from molmix.report.plots.bars import BAR_HEIGHT, draw_bars
from molmix.report.plots.style import PAGE, shades, short, style


def drawn(labels, differences, lows, highs, marks):
    with style():
        figure = Figure(figsize=(PAGE, BAR_HEIGHT * len(labels) + 0.6), layout="constrained")
        axes = figure.subplots()
        draw_bars(axes, labels, differences, lows, highs, marks)
        figure.draw_without_rendering()
    return axes


def test_a_bar_a_difference_with_its_interval_and_its_mark() -> None:
    axes = drawn(
        ["a", "b", "c"], [0.2, -0.1, math.nan], [0.1, -0.3, math.nan], [0.3, math.nan, math.nan], ["*", "", ""]
    )
    assert [patch.get_width() for patch in axes.patches] == [0.2, -0.1, 0.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    (segment,) = axes.collections[-1].get_segments()
    assert np.allclose(segment, [[0.1, 0], [0.3, 0]])


def test_marks_stand_outside_of_bars_and_intervals() -> None:
    axes = drawn(["up", "down", "none"], [0.2, -0.1, math.nan], [0.1, -0.3, 0], [0.3, 0.1, 0], ["*", "*", ""])
    marks = {text.get_text(): text for text in axes.texts}
    assert set(marks) == {"*", "–"}
    up, down = (text.get_window_extent() for text in axes.texts[:2])
    assert up.x0 > axes.transData.transform((0.3, 0))[0] and down.x1 < axes.transData.transform((-0.3, 1))[0]
    inside = axes.get_window_extent()
    assert inside.x0 < down.x0 and up.x1 < inside.x1


def test_labels_of_many_bars_do_not_touch() -> None:
    names = [f"model.{number}" for number in range(40)]
    axes = drawn(names, np.linspace(-1, 1, 40), np.linspace(-1.1, 0.9, 40), np.linspace(-0.9, 1.1, 40), ["*"] * 40)
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 - 0.5 for upper, lower in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0


def test_shades_differ_in_grey() -> None:
    grey = np.array(shades(5))[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(grey) > 0.1).all() and grey[-1] < 0.85


def test_long_names_keep_both_ends() -> None:
    assert short("a" * 30) == "a" * 30
    assert short("start." + "x" * 90 + ".ties") == short("start." + "x" * 90 + ".ties")
    assert len(short("y" * 99)) == 30 and short("start." + "x" * 90 + ".ties").endswith(".ties")
