"""Measure the Text2Mol similarity of one model's captions and their molecules."""

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.metrics.text2mol_model import write_similarities

    tests, predictions = nested(snakemake.input, "tests"), nested(snakemake.input, "predictions")
    for test, out in nested(snakemake.output, "similarities").items():
        write_similarities(
            name=test,
            test=tests[test],
            predictions=predictions[test],
            settings=snakemake.params.settings,
            out=out,
        )
