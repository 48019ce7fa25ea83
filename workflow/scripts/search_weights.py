"""Search the weights of a merge on the validation split."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.merge.search import search_weights

    files, params = snakemake.input, snakemake.params
    search_weights(
        model_id=snakemake.wildcards.model,
        parents=[Path(path) for path in files.parents],
        base=Path(files.base),
        validation=Path(files.corpus[-1]),
        prompts=params.prompts,
        generation=params.generation,
        settings=params.settings,
        seed=params.seed,
        first_seed=params.first_seed,
        nli={Path(manifest).parent.name: Path(manifest) for manifest in files.nli},
        work=Path(params.work),
        out=Path(snakemake.output.found),
    )
