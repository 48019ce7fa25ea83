"""Fetch a pretrained model at its pinned revision, or record its local folder."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.models.pretrained import fetch

    (name,) = snakemake.wildcards
    fetch(
        model_id=name,
        kind=snakemake.params.kind,
        source=snakemake.params.source,
        revision=snakemake.params.revision,
        manifest=Path(snakemake.output.manifest),
    )
