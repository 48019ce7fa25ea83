"""Split captions into atoms or other units: the references, or the captions of one model."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.judges.decompose.tables import decompose_tables

    files, params = snakemake.input, snakemake.params
    decompose_tables(
        captions=list(nested(files, "captions").values()),
        outs=list(nested(snakemake.output, "units").values()),
        units=snakemake.wildcards.units,
        settings=params.settings,
        cache=Path(params.cache),
        model=Path(files.model) if files.model else None,
    )
