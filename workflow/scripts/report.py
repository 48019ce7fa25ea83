"""Let Snakemake write its report."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.licences import Licences
    from molmix.analysis.provenance import provenance
    from molmix.metrics import Options
    from molmix.report.snakemake_report import write_report

    files, params = snakemake.input, snakemake.params
    licences = Licences(nested(files, "licences"), Options(**params.options))
    write_report(
        config=snakemake.config,
        targets=list(files.results),
        about=provenance(
            config=params.config,
            seeds=params.seeds,
            resamples=params.resamples,
            corpus=Path(files.corpus),
            models=list(nested(files, "manifests").values()),
        ),
        warnings=licences.warnings,
        page=Path(snakemake.output.page),
    )
