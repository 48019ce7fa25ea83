"""Train the embedded NLI model, or fetch a pretrained one."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    settings, manifest = snakemake.params.settings, Path(snakemake.output.manifest)
    if settings["kind"] == "made":
        from molmix.nli.train import train

        train(
            pairs=settings["pairs"],
            epochs=settings["epochs"],
            min_accuracy=settings["min_accuracy"],
            seed=snakemake.params.seed,
            out=manifest.parent,
            threads=snakemake.threads,
        )
    else:
        from molmix.fetch import fetch

        fetch(
            model_id="nli",
            kind="nli",
            source=settings["id"],
            revision=settings["revision"],
            manifest=manifest,
        )
