"""Compare the arms of one ablation with its baseline."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.comparison.ablations import compare_arms

    params = snakemake.params
    compare_arms(
        ablation=params.ablation,
        tests=list(params.tests),
        scores=Path(params.scores),
        statistics=params.statistics,
        options=params.options,
        licences=nested(snakemake.input, "licences"),
        seeds=params.seeds,
        config=params.config,
        corpus=Path(snakemake.input.corpus),
        table=Path(snakemake.output.csv).with_suffix(""),
    )
