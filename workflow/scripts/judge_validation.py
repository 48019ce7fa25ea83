"""Measure every judge on captions with planted errors."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.judge_validation.validate import measure_judges
    from molmix.report.plots.judges import draw_judges

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    drawn = measure_judges(
        options=params.options,
        tests=nested(files, "tests"),
        captions=nested(files, "captions"),
        judged=nested(files, "judged"),
        scores=nested(out, "scores"),
        table=Path(out.csv).with_suffix(""),
        seeds=params.seeds,
        config=params.config,
        corpus=Path(files.corpus),
        **params.statistics,
    )
    plots = nested(out, "plots")
    for test, rows in drawn.items():
        draw_judges(rows, **plots[test])
