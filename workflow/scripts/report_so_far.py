"""Write the report of an unfinished run."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.report.unfinished import write_unfinished_report

    params = dict(snakemake.params.items())
    for name in ("root", "folder"):
        params[name] = Path(params[name])
    params["others"] = [Path(path) for path in params["others"]]
    params["licences"] = {judge: Path(path) for judge, path in params["licences"].items()}
    write_unfinished_report(**params)
