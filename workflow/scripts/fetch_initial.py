"""Fetch a pretrained model at its pinned revision, or note where it lies."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.fetch import fetch

    settings = snakemake.params.settings
    fetch(
        model_id=snakemake.wildcards.model,
        kind="initial",
        source=settings["id"],
        revision=settings["revision"],
        manifest=Path(snakemake.output.manifest),
    )
