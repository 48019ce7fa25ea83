"""Upload one model with its card."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.models.upload import push

    push(
        manifest=Path(snakemake.input.manifest),
        card=Path(snakemake.input.card),
        repository=snakemake.params.repository,
        private=snakemake.params.private,
        out=Path(snakemake.output.pushed),
    )
