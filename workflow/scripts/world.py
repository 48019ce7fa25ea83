"""Build the embedded world: molecules (or records), captions and true facts."""

from pathlib import Path

import pyarrow as pa

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.core.files import write_table

    if snakemake.params.domain == "text":
        from molmix.data.synthetic.weather import world_table
    else:
        from molmix.data.synthetic.corpus import world_table

    frame = world_table(snakemake.params.molecules, snakemake.params.seed)
    write_table(Path(snakemake.output.world), pa.Table.from_pandas(frame, preserve_index=False))
