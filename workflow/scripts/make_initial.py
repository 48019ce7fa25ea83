"""Train a small initial model."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.initial import made

    made(
        model_id=snakemake.wildcards.model,
        train=Path(snakemake.input.train),
        parent=Path(snakemake.input.parents[0]) if snakemake.input.parents else None,
        out=Path(snakemake.output.manifest).parent,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
