"""A run that is not done yet: its tables over the models that are scored, and which ones are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molmix.analysis.tables import markdown_text
from molmix.core.files import write_atomically
from molmix.report.page import page


def so_far(
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
) -> None:
    """Write ``index.html``, and the tables on it as CSV, Markdown and LaTeX.

    Args:
        run: the study's name.
        models: rows of the model table by id: kind, parents, method, seed, start and unseeded.
        tests: direction of each test set by name.
        root: folder of the run.
        others: further tables, Markdown, which are shown as they are if they are there.
        folder: where all of it goes.
        config, seeds, statistics, options: as of :func:`molmix.analysis.leaderboard.leaderboard`.
    """
    from molmix.analysis.comparison.compare import compare_models
    from molmix.analysis.leaderboard import leaderboard

    scores = root / "scores"
    missing = {model: [test for test in tests if not (scores / model / f"{test}.parquet").exists()] for model in models}
    shown = comparable(models, {model for model, absent in missing.items() if not absent})
    texts = [_standing(run, missing, shown)]
    if shown:
        same: dict[str, Any] = {"scores": scores, "statistics": statistics, "options": options, "config": config}
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
        temporary.write_text(page(f"{run}, so far", "\n\n".join(texts)), encoding="utf-8")


def comparable(models: Mapping[str, dict[str, Any]], scored: set[str]) -> dict[str, dict[str, Any]]:
    """The scored models whose start and parents are scored too, as far back as they go: each is compared with those."""
    shown: dict[str, dict[str, Any]] = {}
    for model, row in models.items():  # parents come first
        if model in scored and {*row["parents"], *filter(None, [row["start"]])} <= shown.keys():
            shown[model] = row
    return shown


def _standing(run: str, missing: Mapping[str, Sequence[str]], shown: Mapping[str, Any]) -> str:
    lines = [f"# {markdown_text(run)}, so far", ""]
    left = [model for model in missing if model not in shown]
    if not left:
        return "\n".join([*lines, "Every model is scored: the target `report` shows all of it."])
    lines += [
        f"{len(shown)} of {len(missing)} models are shown. Figures of these will not change; what is bold or has a "
        "star may, as it is tested against those that are there. Missing:",
        "",
    ]
    for model in left:
        absent = missing[model]
        why = f"no scores on {', '.join(absent)}" if absent else "scored, but not the model that it is compared with"
        lines.append(f"- {markdown_text(model)}: {markdown_text(why)}")
    lines += [
        "",
        "`molmix status` tells what runs, what failed and why, and the time left; `molmix explorer` shows what is "
        "scored, molecule by molecule.",
    ]
    return "\n".join(lines)
