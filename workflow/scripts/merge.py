"""Merge two models into one."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.merge.merging import found_settings, merge

    merge(
        model_id=snakemake.wildcards.model,
        parents=[Path(path) for path in snakemake.input.parents],
        base=Path(snakemake.input.base),
        out=Path(snakemake.output.manifest).parent,
        work=Path(snakemake.params.work),
        settings=found_settings(snakemake.params.settings, *map(Path, snakemake.input.search)),
        seed=snakemake.params.seed,
    )
