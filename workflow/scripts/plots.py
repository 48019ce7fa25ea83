"""Draw the figures of the study from its tables, logs and benchmarks."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.report.plots.figures import draw_figures

    params = snakemake.params
    draw_figures(
        figures=params.figures,
        processes=snakemake.threads,
        models=params.models,
        tables=Path(params.tables),
        logs=nested(snakemake.input, "logs"),
        benchmarks=Path(params.benchmarks),
        options=params.options,
        out=Path(params.plots),
    )
