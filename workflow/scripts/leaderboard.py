"""Put the leaderboard together from every model's scores."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.leaderboard import leaderboard

    params = snakemake.params
    leaderboard(
        models=params.models,
        tests=params.tests,
        scores=Path(params.scores),
        statistics=params.statistics,
        options=params.options,
        seed=params.seed,
        csv=Path(snakemake.output.csv),
        markdown=Path(snakemake.output.markdown),
    )
