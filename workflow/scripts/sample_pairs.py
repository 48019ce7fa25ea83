"""Let a start sample captions, and choose the best and the worst of each molecule by a reward."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.align.judged_pairs import sample_pairs

    params = snakemake.params
    sample_pairs(
        manifest=Path(snakemake.input.manifest),
        corpus={"train": Path(snakemake.input.subset), "validation": Path(snakemake.input.validation)},
        template=params.template,
        out=Path(snakemake.output.samples),
        judged=params.judged,
        settings=params.settings,
        seed=params.seed,
        nli={Path(manifest).parent.name: Path(manifest) for manifest in snakemake.input.nli},
        cache=Path(params.cache),
    )
