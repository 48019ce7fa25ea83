"""Lay out what there is of a run that is not done."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.report.partial import so_far

    params = dict(snakemake.params.items())
    for name in ("root", "folder"):
        params[name] = Path(params[name])
    so_far(**params | {"others": [Path(path) for path in params["others"]]})
