"""Write tables as HTML pages."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.report.pages import write_page

    for source, target in zip(snakemake.input, snakemake.output, strict=True):
        write_page(Path(source), Path(target))
