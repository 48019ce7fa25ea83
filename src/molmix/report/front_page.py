"""The first page of a report: best models, leaderboard, licences of the judges, cost; and the report as one page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from molmix.analysis.comparison.significance import BOLD, Significance, star
from molmix.analysis.licences import Licences
from molmix.analysis.tables import Cell, Grid, figure, markdown, markdown_text, titled
from molmix.core.errors import counted
from molmix.core.files import write_atomically
from molmix.core.progress import duration
from molmix.metrics import Metric, Options, all_metrics
from molmix.report.pages import html_page
from molmix.report.plots.cost import read_benchmarks
from molmix.report.plots.results import Results, best_models, read_result_table

MOST = 10  # maximum number of models in the leaderboard of the first page


def front_page(
    *,
    run: str,
    models: Mapping[str, dict[str, Any]],
    tests: Sequence[str],
    tables: Path,
    licences: Licences,
    options: Options,
    level: float,
    benchmarks: Path,
    about: Sequence[str],
    links: Mapping[str, str],
) -> str:
    """The first page in Markdown. It speaks only of what the run has.

    Args:
        run: name of the run.
        models: rows of the model table by id.
        tests: names of the test sets.
        tables: folder of leaderboard.csv and comparisons.csv.
        licences: of the judges.
        options: options of the metrics.
        level: of the intervals, such as 0.95.
        benchmarks: folder of the run time and memory of each job.
        about: provenance, as items of a Markdown list (:func:`molmix.analysis.provenance.provenance`).
        links: other pages of the run: a title, and the path from the page.
    """
    results = Results(
        models,
        all_metrics(options),
        read_result_table(tables / "leaderboard.csv"),
        read_result_table(tables / "comparisons.csv"),
        read_result_table(tables / "comparisons.csv").iloc[:0],
    )
    significance = Significance(licences.withhold(results.comparisons))
    grids = [_grid(results, test, significance, licences) for test in tests]
    starred = [star("the starting model")] if any(row["start"] for row in models.values()) else []
    notes = [
        *_section("Licences of the judges", licences.notes.values()),
        *_section("Cost", _cost(benchmarks)),
        *_section("More", [f"[{title}]({path})" for title, path in links.items()]),
        *_section("Provenance", [line.removeprefix("- ") for line in about]),
    ]
    said = f"Values stand with half the width of their {level:.0%} interval (bootstrap over molecules). "
    best = _section("Best models", [_best(results, test, significance, licences, level) for test in tests])
    grids = [grid for grid in grids if grid.rows]
    return markdown(run, grids, [said + " ".join([BOLD, *starred]), "", *notes], licences.warnings, best)


def write_one_page(front: str, tables: Sequence[Path], figures: Mapping[str, Path], page: Path) -> None:
    """Write the whole report as one page without scripts, to read on a phone, to print, or to save as PDF.

    Args:
        front: the first page in Markdown, whose links lead from this page.
        tables: tables in Markdown.
        figures: figures (SVG) by name.
        page: the file to write.
    """
    title, *_ = front.splitlines()
    texts = [front, *(path.read_text(encoding="utf-8") for path in tables)]
    images = {
        name: "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
        for name, path in figures.items()
    }
    with write_atomically(page) as temporary:
        text = html_page(title.removeprefix("# "), "\n\n".join(texts), images)
        temporary.write_text(text, encoding="utf-8")


def _section(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items if item]
    return [f"## {title}", "", *lines, ""] if lines else []


def _headline(results: Results, test: str) -> Metric | None:
    return next(iter(results.headlines([test])), None)


def _best(results: Results, test: str, significance: Significance, licences: Licences, level: float) -> str:
    """The best model of a test set by the first headline metric, with its interval."""
    if not (metric := _headline(results, test)):
        return f"{markdown_text(test)}: no model has a score."
    figures = results.figures(test, metric.column)
    values = figures["value"].dropna()
    (best,) = best_models(values, 1, lowest=metric.better == "lower")
    value, low, high = (figure(float(figures[name][best])) for name in ("value", "low", "high"))
    text = f"{markdown_text(test)}: **{markdown_text(best)}**, {metric.title} {value}"
    text += f" ({level:.0%} interval {low} to {high})"
    if metric.column in licences.columns(test):
        return f"{text}. The judge is not licensed for this score."
    if len(values) == 1:
        return f"{text}, the only model."
    if significance.best(test, metric.column) == best:
        return f"{text}, significantly better than every other model."
    return f"{text}. Its differences from some other models are not significant."


def _grid(results: Results, test: str, significance: Significance, licences: Licences) -> Grid:
    """The best models of a test set with the headline metrics, the best first."""
    metrics = results.headlines([test])
    if not metrics:
        return Grid(test, ["model"], [])
    first = results.figures(test, metrics[0].column)["value"]
    ranked = first.sort_values(ascending=metrics[0].better == "lower", kind="stable", na_position="last").index
    rows = []
    for model in ranked[:MOST]:
        cells = [Cell(str(model))]
        for metric in metrics:
            row = results.figures(test, metric.column).loc[model]
            verdict = significance.verdict(test, metric.column, "start", model, results.models[model]["start"])
            bold = significance.best(test, metric.column) == model
            cells.append(Cell(figure(row["value"], row["low"], row["high"]), bold=bold, star=bool(verdict)))
        rows.append(cells)
    shown = f"the best {MOST} of {len(ranked)} models" if len(ranked) > MOST else "all models"
    header = [titled(metric) + licences.mark(test, metric.column) for metric in metrics]
    return Grid(f"{test}: {shown}", ["model", *header], rows)


def _cost(benchmarks: Path) -> list[str]:
    jobs = read_benchmarks(benchmarks)
    if jobs.empty:
        return []
    totals = jobs.groupby("rule")["seconds"].sum().sort_values(ascending=False, kind="stable")
    most = ", ".join(f"{rule} {duration(seconds)}" for rule, seconds in totals.head(3).items())
    said = [f"{counted(len(jobs), 'job')} took {duration(totals.sum())} of wall time together; most of it: {most}."]
    if jobs["megabytes"].notna().any():
        peaks = jobs.groupby("rule")["megabytes"].max()
        said.append(f"Largest memory of a job: {peaks.max() / 1000:.1f} GB ({peaks.idxmax()}).")
    return said
