"""Let a model behind an endpoint answer the prompts of every test set."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.generation.endpoint import ask_endpoint
    from molmix.generation.few_shot import FewShot
    from molmix.generation.generate import test_prompts

    files, params = snakemake.input, snakemake.params
    few_shot = None
    if files.examples:
        # The user's turn holds the examples. The context of the model is not known: the server says what is too long.
        templates = params.prompts | {"template": "plain"}
        few_shot = FewShot(Path(files.examples), templates, params.seed, lambda text: True)
    ask_endpoint(
        model=snakemake.wildcards.model,
        settings=params.settings,
        generation=params.generation,
        prompts=test_prompts(nested(files, "tests"), params.directions, params.prompts, few_shot),
        templates=params.prompts,
        outs=nested(snakemake.output, "predictions"),
        manifest=Path(snakemake.output.manifest),
        cache=Path(params.cache),
        few_shot=few_shot,
    )
