"""Report of an unfinished run: tables of the scored models, and a list of the other models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molmix.analysis.tables import markdown_text
from molmix.core.files import write_atomically
from molmix.report.pages import html_page


def write_unfinished_report(
    *,
    run: str,
    models: Mapping[str, dict[str, Any]],
    tests: dict[str, str],
    root: Path,
    others: Sequence[Path],
    folder: Path,
    config: str,
    seeds: list[int],
    statistics: dict[str, Any],
    options: dict[str, Any],
    licences: Mapping[str, Path],
) -> None:
    """Write ``index.html``, and its tables as CSV, Markdown and LaTeX.

    Args:
        run: name of the run.
        models: rows of the model table by id: kind, parents, method, seed, start and unseeded.
        tests: direction of each test set by name.
        root: folder of the run.
        others: further Markdown tables; those that exist are shown too.
        folder: folder to write to.
        config, seeds, statistics, options: see :func:`molmix.analysis.leaderboard.leaderboard`.
        licences: of the judges, by name; those that do not exist yet are left out.
    """
    from molmix.analysis.comparison.compare import compare_models
    from molmix.analysis.leaderboard import leaderboard

    scores = root / "scores"
    missing = {model: [test for test in tests if not (scores / model / f"{test}.parquet").exists()] for model in models}
    shown = comparable(models, {model for model, absent in missing.items() if not absent})
    texts = [_status(run, missing, shown)]
    if shown:
        same: dict[str, Any] = {"scores": scores, "statistics": statistics, "options": options, "config": config}
        same |= {"licences": {judge: path for judge, path in licences.items() if path.exists()}}
        same |= {"corpus": root / "data/manifest.json"}
        same |= {"manifests": [root / f"models/{model}/manifest.json" for model in shown]}
        comparisons, table = folder / "comparisons", folder / "leaderboard"
        compare_models(models=shown, tests=list(tests), study_seeds=seeds, tables={"comparisons": comparisons}, **same)
        leaderboard(
            models=shown, tests=tests, seeds=seeds, comparisons=comparisons.with_suffix(".csv"), table=table, **same
        )
        others = [table.with_suffix(".md"), comparisons.with_suffix(".md"), *others]
    texts += [path.read_text(encoding="utf-8") for path in others if path.exists()]
    with write_atomically(folder / "index.html") as temporary:
        temporary.write_text(html_page(f"{run}, so far", "\n\n".join(texts)), encoding="utf-8")


def comparable(models: Mapping[str, dict[str, Any]], scored: set[str]) -> dict[str, dict[str, Any]]:
    """The scored models whose start and parents are all scored too, because each model is compared with them."""
    shown: dict[str, dict[str, Any]] = {}
    for model, row in models.items():  # parents come first
        if model in scored and {*row["parents"], *filter(None, [row["start"]])} <= shown.keys():
            shown[model] = row
    return shown


def _status(run: str, missing: Mapping[str, Sequence[str]], shown: Mapping[str, Any]) -> str:
    lines = [f"# {markdown_text(run)}, so far", ""]
    left = [model for model in missing if model not in shown]
    if not left:
        return "\n".join([*lines, "Every model is scored: make the full report with the target `report`."])
    lines += [
        f"{len(shown)} of {len(missing)} models are shown. Their values are final. Bold type and stars can still "
        "change, because the tests use only the models that are scored by now. Missing:",
        "",
    ]
    for model in left:
        absent = missing[model]
        why = f"no scores on {', '.join(absent)}" if absent else "scored, but not the model that it is compared with"
        lines.append(f"- {markdown_text(model)}: {markdown_text(why)}")
    lines += [
        "",
        "`molmix status` shows which jobs run, which failed and the time left; `molmix explorer` shows the scored "
        "captions, molecule by molecule.",
    ]
    return "\n".join(lines)
