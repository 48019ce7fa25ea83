"""Draw the figures of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from molmix.core.files import read_table
from molmix.metrics import Options
from molmix.metrics.aggregate import all_metrics
from molmix.report.plots.cost import cost, read_benchmarks
from molmix.report.plots.distribution import distribution
from molmix.report.plots.effects import effects
from molmix.report.plots.merges import merges
from molmix.report.plots.results import Results, read_csv
from molmix.report.plots.style import save, style
from molmix.report.plots.tradeoff import tradeoff
from molmix.report.plots.training import training

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_figures(
    *,
    figures: Mapping[str, dict[str, Any]],
    models: Mapping[str, dict[str, Any]],
    tables: Path,
    logs: Mapping[str, Path],
    benchmarks: Path,
    options: dict[str, Any],
    out: Path,
) -> None:
    """Write every figure that is asked for, as SVG and PNG.

    Args:
        figures: by the file's name without its ending: its ``kind`` (training, distribution, tradeoff, merges,
            effects, cost) and the ``tests`` it shows.
        models: rows of the model table by id: kind, parents, method, seed, start, unseeded.
        tables: folder of leaderboard.csv, comparisons.csv and, where there are merges, merges.csv.
        logs: ``log.parquet`` of every model that was trained.
        benchmarks: folder of what Snakemake measured of each job.
        options: as in :class:`molmix.metrics.Options`.
        out: folder to write to.
    """
    merged = tables / "merges.csv"
    results = Results(
        models,
        all_metrics(Options(**options)),
        read_csv(tables / "leaderboard.csv"),
        read_csv(tables / "comparisons.csv"),
        read_csv(merged) if merged.exists() else pd.DataFrame(),
    )
    draw: dict[str, Callable[[list[str]], Figure]] = {
        "training": lambda _: training(models, {model: read_log(path) for model, path in logs.items()}),
        "distribution": lambda tests: distribution(results, *tests),
        "tradeoff": lambda tests: tradeoff(results, tests),
        "merges": lambda tests: merges(results, *tests),
        "effects": lambda tests: effects(results, *tests),
        "cost": lambda _: cost(read_benchmarks(benchmarks)),
    }
    with style():
        for name, figure in figures.items():
            save(draw[figure["kind"]](figure["tests"]), out / f"{name}.svg", out / f"{name}.png")


def read_log(path: Path) -> pd.DataFrame:
    """The losses of a training: columns step, loss and, where there was a validation, eval_loss."""
    table = read_table(path)
    return table.select([name for name in ("step", "loss", "eval_loss") if name in table.column_names]).to_pandas()
