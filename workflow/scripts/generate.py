"""Let one model answer the prompts of every test set."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.data.prompts import chat_settings
    from molmix.generation.generate import generate, test_prompts

    files, params = snakemake.input, snakemake.params
    generate(
        manifest=Path(files.manifest),
        prompts=test_prompts(nested(files, "tests"), params.directions, params.prompts),
        outs=nested(snakemake.output, "predictions"),
        settings=params.settings | chat_settings(params.prompts),
        seed=params.seed,
        cache=Path(params.cache),
    )
