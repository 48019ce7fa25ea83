"""Merge two models and let the result answer every test set. Its weights are deleted after the job."""

import shutil
from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.data.prompts import chat_settings
    from molmix.generation.generate import generate, test_prompts
    from molmix.merge.merging import found_settings, merge

    files, params = snakemake.input, snakemake.params
    manifest = Path(snakemake.output.manifest)
    try:
        merge(
            model_id=snakemake.wildcards.model,
            parents=[Path(path) for path in files.parents],
            base=Path(files.base),
            out=manifest.parent,
            work=Path(params.work),
            settings=found_settings(params.settings, *map(Path, files.search)),
            seed=params.seed,
        )
        generate(
            manifest=manifest,
            prompts=test_prompts(nested(files, "tests"), params.directions, params.prompts),
            outs=nested(snakemake.output, "predictions"),
            settings=params.generation | chat_settings(params.prompts),
            seed=params.first_seed,
            cache=Path(params.cache),
        )
    finally:
        shutil.rmtree(manifest.parent / "weights", ignore_errors=True)
