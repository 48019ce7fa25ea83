"""Draw the figures of the study, from its tables, logs and benchmarks."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.report.plots.figures import draw_figures

    files, params = snakemake.input, snakemake.params
    draw_figures(
        figures=params.figures,
        models=params.models,
        tables=Path(files.tables[0]).parent,
        logs={path.parent.name: path for path in map(Path, files.logs)},
        benchmarks=Path(params.benchmarks),
        options=params.options,
        out=Path(snakemake.output[0]).parent,
    )
