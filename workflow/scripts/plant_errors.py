"""Plant errors into the references of every test set of captions."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.analysis.judge_validation.validate import plant_tables

    out = snakemake.output
    plant_tables(
        tests=[Path(path) for path in snakemake.input.tests],
        references=[Path(path) for path in out.references],
        captions=[Path(path) for path in out.captions],
        seed=snakemake.params.seed,
        **snakemake.params.settings,
    )
