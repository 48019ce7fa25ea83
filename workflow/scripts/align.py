"""Align one policy with the preference pairs."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.core.settings import Tracking

    arguments = {
        "model_id": snakemake.wildcards.model,
        "start": Path(snakemake.input.start),
        "pairs": Path(snakemake.input.pairs),
        "out": Path(snakemake.output.manifest).parent,
        "work": Path(snakemake.params.work),
        "settings": snakemake.params.settings,
        "seed": snakemake.params.seed,
        "threads": snakemake.threads,
        # From the config, not a parameter of the rule: a change of the tracker must not cause a new training.
        "trackers": Tracking(**snakemake.config.get("tracking", {})).to,
        "curves": Path(snakemake.params.curves),
        "corpus": dict(zip(("train", "validation"), map(Path, snakemake.input.corpus), strict=False)),
        "nli": {Path(manifest).parent.name: Path(manifest) for manifest in snakemake.input.nli},
    }
    gpus = snakemake.resources.get("gpu", 0)
    if gpus > 1:
        from molmix.align.distributed import launch

        launch(arguments, gpus)
    else:
        from molmix.align.training import align

        align(**arguments)
