"""Align one policy with the preference pairs."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    arguments = {
        "model_id": snakemake.wildcards.model,
        "start": Path(snakemake.input.start),
        "pairs": Path(snakemake.input.pairs),
        "out": Path(snakemake.output.manifest).parent,
        "work": Path(snakemake.params.work),
        "settings": snakemake.params.settings,
        "seed": snakemake.params.seed,
        "threads": snakemake.threads,
    }
    gpus = snakemake.resources.get("gpu", 0)
    if gpus > 1:
        from molmix.align.launch import launch

        launch(arguments, gpus)
    else:
        from molmix.align.run import align

        align(**arguments)
