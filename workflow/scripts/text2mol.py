"""Measure how near one model's captions are to their molecules, by Text2Mol."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.metrics.text2mol_model import write_similarities

    files = snakemake.input
    for test, predictions, out in zip(files.tests, files.predictions, snakemake.output, strict=True):
        write_similarities(
            test=Path(test), predictions=Path(predictions), settings=snakemake.params.settings, out=Path(out)
        )
