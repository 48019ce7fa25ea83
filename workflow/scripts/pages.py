"""Write tables as HTML pages."""

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.report.pages import write_page

    pages = nested(snakemake.output, "html")
    for name, table in nested(snakemake.input, "md").items():
        write_page(table, pages[name])
