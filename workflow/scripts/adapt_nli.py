"""Adapt an NLI model to the captions of a corpus."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.judges.nli.adapt import adapt

    files, params = snakemake.input, snakemake.params
    adapt(
        parent=Path(files.parent),
        corpus=Path(files.corpus),
        tests=nested(files, "tests"),
        labels=params.labels,
        domain=params.domain,
        leakage=params.leakage,
        seed=params.seed,
        out=Path(snakemake.output.manifest).parent,
        threads=snakemake.threads,
        **params.settings,
    )
