"""Align one policy with the preference pairs."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.align.run import align

    align(
        model_id=snakemake.wildcards.model,
        start=Path(snakemake.input.start),
        pairs=Path(snakemake.input.pairs),
        out=Path(snakemake.output.manifest).parent,
        work=Path(snakemake.params.work),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
