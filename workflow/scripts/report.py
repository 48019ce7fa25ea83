"""Have Snakemake write its report."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.provenance import provenance
    from molmix.report.whole import report

    params = snakemake.params
    report(
        config=snakemake.config,
        targets=list(snakemake.input.results),
        about=provenance(config=params.config, seeds=params.seeds, resamples=params.resamples),
        page=Path(snakemake.output[0]),
    )
