"""Make the leaderboard from the scores and comparisons of all models."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.leaderboard import leaderboard

    params = snakemake.params
    leaderboard(
        models=params.models,
        tests=params.tests,
        scores=Path(params.scores),
        comparisons=Path(snakemake.input.comparisons),
        statistics=params.statistics,
        options=params.options,
        licences=nested(snakemake.input, "licences"),
        seeds=params.seeds,
        config=params.config,
        corpus=Path(snakemake.input.corpus),
        manifests=list(nested(snakemake.input, "manifests").values()),
        table=Path(snakemake.output.csv).with_suffix(""),
    )
