"""Draw the figures of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from molmix.core.files import read_table
from molmix.core.processes import in_processes
from molmix.metrics import Options, all_metrics
from molmix.report.plots.cost import cost, read_benchmarks
from molmix.report.plots.distribution import distribution
from molmix.report.plots.effects import effects
from molmix.report.plots.learning import PAIRS, preferences, rewards
from molmix.report.plots.merges import merges
from molmix.report.plots.results import Results, read_result_table
from molmix.report.plots.style import save, style
from molmix.report.plots.tradeoff import tradeoff
from molmix.report.plots.training import training

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_figures(*, figures: Mapping[str, dict[str, Any]], processes: int, **study: Any) -> None:
    """Write the figures of a study as SVG and PNG, divided between some processes.

    Args:
        figures: by file name without extension: the ``kind`` (training, rewards, preferences, distribution, tradeoff,
            merges, effects, cost) and the ``tests`` of the figure.
        processes: their number.
        study: the other arguments of :func:`_draw`.
    """
    import matplotlib.backends.backend_svg  # noqa: F401 (once for all processes)

    parts = [dict([*figures.items()][first::processes]) for first in range(processes)]
    in_processes(partial(_draw, **study), parts, processes)


def _draw(
    figures: Mapping[str, dict[str, Any]],
    *,
    models: Mapping[str, dict[str, Any]],
    tables: Path,
    logs: Mapping[str, Path],
    benchmarks: Path,
    options: dict[str, Any],
    out: Path,
) -> None:
    """Write some figures.

    Args:
        figures: as in :func:`draw_figures`.
        models: rows of the model table by id: kind, parents, method, seed, start, unseeded.
        tables: folder of leaderboard.csv, comparisons.csv and, if there are merges, merges.csv.
        logs: ``log.parquet`` of every trained model.
        benchmarks: folder of the run time and memory of each job.
        options: as in :class:`molmix.metrics.Options`.
        out: folder to write to.
    """
    merged = tables / "merges.csv"
    results = Results(
        models,
        all_metrics(Options(**options)),
        read_result_table(tables / "leaderboard.csv"),
        read_result_table(tables / "comparisons.csv"),
        read_result_table(merged) if merged.exists() else pd.DataFrame(),
    )
    titles = {metric.column: metric.title for metric in results.metrics}
    draw: dict[str, Callable[[list[str]], Figure]] = {
        "training": lambda _: training(models, {model: _read_log(path) for model, path in logs.items()}),
        "rewards": lambda _: rewards(_logs_with(logs, ["reward"]), titles),
        "preferences": lambda _: preferences(_logs_with(logs, [*PAIRS, *(f"eval_{name}" for name in titles)]), titles),
        "distribution": lambda tests: distribution(results, *tests),
        "tradeoff": lambda tests: tradeoff(results, tests),
        "merges": lambda tests: merges(results, *tests),
        "effects": lambda tests: effects(results, *tests),
        "cost": lambda _: cost(read_benchmarks(benchmarks)),
    }
    with style():
        for name, figure in figures.items():
            save(draw[figure["kind"]](figure["tests"]), out / f"{name}.svg", out / f"{name}.png")


def _logs_with(logs: Mapping[str, Path], columns: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The logs that have one of these columns, with all their columns."""
    tables = {model: read_table(path) for model, path in logs.items()}
    return {model: table.to_pandas() for model, table in tables.items() if {*columns} & {*table.column_names}}


def _read_log(path: Path) -> pd.DataFrame:
    """The losses of a training: columns step, loss and, if there was a validation, eval_loss."""
    table = read_table(path)
    return table.select([name for name in ("step", "loss", "eval_loss") if name in table.column_names]).to_pandas()
