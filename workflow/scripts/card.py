"""Write the model card of one model."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.models.cards import write_card

    files, params = snakemake.input, snakemake.params
    write_card(
        model=snakemake.wildcards.model,
        run=params.run,
        manifests=Path(params.manifests),
        data=Path(files.data),
        pairs=[Path(path) for path in files.pairs],
        leaderboard=Path(files.leaderboard),
        level=params.level,
        out=Path(snakemake.output.card),
    )
