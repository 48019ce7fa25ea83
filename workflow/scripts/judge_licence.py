"""Check a judge on the references of the test sets: can its NLI model read them?"""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.judges.nli.licence import write_licence

    files, params = snakemake.input, snakemake.params
    write_licence(
        judge=snakemake.wildcards.judge,
        settings=params.judge,
        texts=nested(files, "tests"),
        units=nested(files, "units"),
        model=Path(files.model),
        cache=Path(params.store),
        out=Path(snakemake.output.licence),
        strict=params.strict,
        **params.model,
    )
