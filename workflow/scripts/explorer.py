"""Build the explorer."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.config.schema import Config
    from molmix.report.explorer import build_explorer

    build_explorer(Config(**snakemake.params.study), Path(snakemake.output.pages), snakemake.params.configfile)
