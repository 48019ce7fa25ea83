"""Join the captions of an external system to the references."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.generation.external import join_captions

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    join_captions(
        name=snakemake.wildcards.model,
        predictions=params.predictions,
        tests=nested(files, "tests"),
        corpus=Path(files.corpus),
        domain=params.domain,
        outs=nested(out, "predictions"),
        unjoined=Path(out.unjoined),
        manifest=Path(out.manifest),
    )
