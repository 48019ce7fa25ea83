"""Draw one ablation from its table."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.report.plots.ablations import draw_ablation

    params = snakemake.params
    draw_ablation(
        Path(snakemake.input.table),
        title=params.title,
        factor=params.factor,
        options=params.options,
        svg=Path(snakemake.output.svg),
        png=Path(snakemake.output.png),
    )
