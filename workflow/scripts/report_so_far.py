"""Write the report of an unfinished run."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.report.unfinished import write_unfinished_report

    params = dict(snakemake.params.items())
    for name in ("root", "folder"):
        params[name] = Path(params[name])
    write_unfinished_report(**params | {"others": [Path(path) for path in params["others"]]})
