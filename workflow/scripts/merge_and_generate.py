"""Merge two models and let the result answer every test set; its weights do not outlive the job."""

import shutil
from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.generation.generate import generate, test_prompts
    from molmix.merge.merging import merge

    files, params = snakemake.input, snakemake.params
    manifest = Path(snakemake.output.manifest)
    tests = dict(zip(params.directions, map(Path, files.tests), strict=True))
    try:
        merge(
            model_id=snakemake.wildcards.model,
            parents=[Path(path) for path in files.parents],
            base=Path(files.base),
            out=manifest.parent,
            work=Path(params.work),
            settings=params.settings,
            seed=params.seed,
        )
        generate(
            manifest=manifest,
            prompts=test_prompts(tests, params.directions, params.prompts),
            outs=dict(zip(tests, map(Path, snakemake.output.predictions), strict=True)),
            settings=params.generation,
            seed=params.first_seed,
            cache=Path(params.cache),
        )
    finally:
        shutil.rmtree(manifest.parent / "weights", ignore_errors=True)
