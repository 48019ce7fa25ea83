"""Let a model write the rejected texts of the subset and of validation."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.data.preferences import rejection_prompts
    from molmix.generation.generate import generate

    direction, params = snakemake.wildcards.direction, snakemake.params
    corpus = {"train": Path(snakemake.input.subset), "validation": Path(snakemake.input.validation)}
    generate(
        manifest=Path(snakemake.input.manifest),
        prompts={direction: rejection_prompts(corpus, direction, params.template)},
        outs={direction: Path(snakemake.output.rejected)},
        settings=params.settings,
        seed=params.seed,
        cache=Path(params.cache),
    )
