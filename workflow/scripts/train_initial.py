"""Train a small initial model."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.core.settings import Tracking
    from molmix.models.small import train_initial

    train_initial(
        model_id=snakemake.wildcards.model,
        train=Path(snakemake.input.train),
        parent=Path(snakemake.input.parents[0]) if snakemake.input.parents else None,
        out=Path(snakemake.output.manifest).parent,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
        # From the config, not a parameter of the rule: a change of the tracker must not cause a new training.
        trackers=Tracking(**snakemake.config.get("tracking", {})).to,
        curves=Path(snakemake.params.curves),
    )
