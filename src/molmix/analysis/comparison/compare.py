"""Compare all models of a study, and lay the comparisons out as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molmix.analysis.comparison import alignments, differences, merges, seeds
from molmix.analysis.comparison.over_tests import over_tests
from molmix.analysis.comparison.pairs import fixed_pairs
from molmix.analysis.comparison.significance import BOLD, beyond_chance, star
from molmix.analysis.provenance import provenance
from molmix.analysis.tables import write_csv, write_pages
from molmix.metrics import Options


def compare_models(
    *,
    models: Mapping[str, dict[str, Any]],
    tests: list[str],
    scores: Path,
    statistics: dict[str, Any],
    options: dict[str, Any],
    study_seeds: list[int],
    config: str,
    corpus: Path,
    manifests: Sequence[Path],
    tables: Mapping[str, Path],
) -> None:
    """Write the tables of comparisons, each as CSV (every metric), Markdown and LaTeX (the metrics that are shown).

    Args:
        models: rows of the model table by id: kind, parents, method, seed, start, unseeded.
        tests: names of the test sets.
        scores: folder that holds ``<model>/<test>.parquet``.
        statistics: the config's `statistics`: resamples, level.
        options: as in :class:`molmix.metrics.Options`.
        study_seeds: of the study; the first is that of resamples and tosses.
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
        manifests: of the models.
        tables: what to write, without its ending: `comparisons`, and as the study has them `merges`, `alignments`,
            `seeds`.
    """
    layout, counted, tosses = over_tests(
        {model: scores / model for model in models},
        tests,
        fixed_pairs(models),
        Options(**options),
        rows=models,
        seed=study_seeds[0],
        statistics=statistics,
    )
    level = statistics["level"]
    half = f"Each figure stands with half the width of its {level:.0%} interval (bootstrap over molecules)."
    pages: dict[str, tuple[Any, ...]] = {
        "comparisons": (
            "Comparisons",
            layout.comparisons,
            differences,
            [half, star(differences.STARRED), beyond_chance(level)],
        ),
        "merges": ("Merges", merges.frame(layout), merges, [half, BOLD, star(merges.STARRED), beyond_chance(level)]),
        "alignments": (
            "Alignments",
            alignments.frame(layout),
            alignments,
            [half, BOLD, star(alignments.STARRED), beyond_chance(level)],
        ),
        "seeds": ("Spread over seeds", seeds.frame(layout), seeds, [seeds.MEANING]),
    }
    below = provenance(
        config=config,
        seeds=study_seeds,
        corpus=corpus,
        models=manifests,
        resamples=statistics["resamples"],
        tosses=tosses,
        counted=counted,
    )
    for name, stem in tables.items():
        title, frame, module, words = pages[name]
        write_csv(frame, stem.with_suffix(".csv"))
        grids = module.grids(layout)
        nothing = [] if grids else ["There is nothing to compare.", ""]
        write_pages(title, grids, [*nothing, " ".join(words), "", *below], stem)
