"""Time and memory of every job that Snakemake measured, by rule."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from molmix.report.plots.style import INK, PAGE, PALE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 0.16  # inches for each rule
_MEASURED = {"s": "seconds", "cpu_time": "cpu", "max_rss": "megabytes"}  # columns of the files, and their names here


def read_benchmarks(folder: Path) -> pd.DataFrame:
    """Measured jobs: columns rule, seconds, cpu (seconds) and megabytes (peak memory; NaN if too short to measure).

    A job that was run several times has a row for the run that succeeded. Damaged files are skipped.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).with_suffix("").parts[0]
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                rows += [(rule, *(row[name] for name in _MEASURED)) for row in csv.DictReader(stream, delimiter="\t")]
        except (OSError, ValueError, KeyError):
            continue
    jobs = pd.DataFrame(rows, columns=["rule", *_MEASURED.values()])
    return jobs.assign(**{name: pd.to_numeric(jobs[name], errors="coerce") for name in _MEASURED.values()})


def cost(jobs: pd.DataFrame) -> Figure:
    """A row for each rule, the most expensive on top: time of each job and in total, peak memory of each job."""
    from matplotlib.figure import Figure

    totals = jobs.groupby("rule")["seconds"].sum().sort_values(ascending=False, kind="stable")
    counts = jobs["rule"].value_counts()
    figure = Figure(figsize=(PAGE, _ROW * max(1, len(totals)) + 0.85), layout="constrained")
    time, memory = figure.subplots(1, 2, sharey=True)
    for row, rule in enumerate(totals.index):
        own = jobs[jobs["rule"] == rule]
        for axes, column in ((time, "seconds"), (memory, "megabytes")):
            axes.plot(own[column], [row] * len(own), "|", color=INK, markersize=6, markeredgewidth=0.7, zorder=3)
        time.plot(
            totals[rule], row, "D", color="white", markeredgecolor=INK, markeredgewidth=0.7, markersize=4, zorder=2
        )
    for axes in (time, memory):
        axes.hlines(range(len(totals)), 0, 1, transform=axes.get_yaxis_transform(), color=PALE, linewidth=0.3, zorder=0)
        axes.tick_params(axis="y", length=0)
    if (jobs["seconds"] > 0).any():
        time.set_xscale("log")
        time.xaxis.set_major_formatter("{x:g}")
    time.set_yticks(range(len(totals)), [f"{rule} ({counts[rule]})" for rule in totals.index])
    time.set_ylim(max(1, len(totals)) - 0.4, -0.6)
    time.set_xlabel("seconds (│ a job, ◇ all jobs of the rule)")
    memory.set_xlim(left=0)
    memory.set_xlabel("peak memory of a job (MB)")
    return figure
