"""Plant errors into the references of every test set of captions, and into captions of models."""

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.judge_validation.validate import plant_tables

    out = snakemake.output
    plant_tables(
        tests=nested(snakemake.input, "tests"),
        systems=nested(snakemake.input, "systems"),
        references=nested(out, "references"),
        captions=nested(out, "captions"),
        seed=snakemake.params.seed,
        **snakemake.params.settings,
    )
