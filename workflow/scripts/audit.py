"""Audit the decomposers: atoms against their captions, and captions against their atoms."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.judge_validation.audit import audit

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    audit(
        judges=params.judges,
        captions={
            (author, test): path for author, tests in nested(files, "captions").items() for test, path in tests.items()
        },
        atoms={
            (decomposer, author, test): path
            for decomposer, authors in nested(files, "atoms").items()
            for author, tests in authors.items()
            for test, path in tests.items()
        },
        models=nested(files, "models"),
        nli=params.nli,
        store=Path(params.store),
        sample=params.sample,
        seeds=params.seeds,
        config=params.config,
        corpus=Path(files.corpus),
        table=Path(out.csv).with_suffix(""),
    )
