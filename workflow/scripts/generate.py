"""Let one model answer the prompts of every test set."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.data.prompts import chat_settings
    from molmix.generation.few_shot import FewShot, fits_context
    from molmix.generation.generate import generate, test_prompts

    files, params = snakemake.input, snakemake.params
    manifest, settings = Path(files.manifest), params.settings | chat_settings(params.prompts)
    few_shot = None
    if files.examples:
        settings |= {"one_line": True}
        fits = fits_context(manifest, settings)
        few_shot = FewShot(Path(files.examples), params.prompts, params.seed, fits)
    generate(
        manifest=manifest,
        prompts=test_prompts(nested(files, "tests"), params.directions, params.prompts, few_shot),
        outs=nested(snakemake.output, "predictions"),
        settings=settings,
        seed=params.seed,
        cache=Path(params.cache),
        few_shot=few_shot,
    )
