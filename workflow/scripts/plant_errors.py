"""Plant errors into the references of every test set of captions."""

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.judge_validation.validate import plant_tables

    out = snakemake.output
    plant_tables(
        tests=list(nested(snakemake.input, "tests").values()),
        references=list(nested(out, "references").values()),
        captions=list(nested(out, "captions").values()),
        seed=snakemake.params.seed,
        **snakemake.params.settings,
    )
