"""Build the pages that show what stands behind every figure."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.config import Config
    from molmix.explorer import build

    build(Config(**snakemake.params.study), Path(snakemake.output[0]))
