"""Train an NLI model on the embedded world."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.judges.nli.training import train

    settings = snakemake.params.settings
    train(
        pairs=settings["pairs"],
        epochs=settings["epochs"],
        min_accuracy=settings["min_accuracy"],
        seed=snakemake.params.seed,
        domain=snakemake.params.domain,
        out=Path(snakemake.output.manifest).parent,
        threads=snakemake.threads,
    )
