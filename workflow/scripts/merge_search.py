"""Write the table of searched merges."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.analysis.searches import write_searches

    write_searches(
        found=[Path(path) for path in snakemake.input.found],
        csv=Path(snakemake.output.csv),
        config=snakemake.params.config,
        seeds=snakemake.params.seeds,
        corpus=Path(snakemake.input.corpus),
    )
