"""Let one model answer the prompts of every test set."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.generation.generate import generate, test_prompts

    files, params = snakemake.input, snakemake.params
    tests = dict(zip(params.directions, map(Path, files.tests), strict=True))
    generate(
        manifest=Path(files.manifest),
        prompts=test_prompts(tests, params.directions, params.prompts),
        outs=dict(zip(tests, map(Path, snakemake.output), strict=True)),
        settings=params.settings,
        seed=params.seed,
        cache=Path(params.cache),
    )
