"""Join the captions of a system from elsewhere to the references."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.generation.external import join

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    join(
        name=snakemake.wildcards.model,
        predictions=params.predictions,
        tests={test: Path(path) for test, path in zip(params.tests, files.tests, strict=True)},
        corpus=Path(files.corpus),
        domain=params.domain,
        outs={test: Path(path) for test, path in zip(params.tests, out.answers, strict=True)},
        unjoined=Path(out.unjoined),
        manifest=Path(out.manifest),
    )
