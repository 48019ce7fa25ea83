"""Put the leaderboard together from every model's scores, and its comparisons."""

from pathlib import Path

from molmix.pipeline.job import job

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
        seeds=params.seeds,
        config=params.config,
        corpus=Path(snakemake.input.corpus),
        manifests=[Path(path) for path in snakemake.input.manifests],
        table=Path(snakemake.output[0]).with_suffix(""),
    )
