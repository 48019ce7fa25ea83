"""Build the embedded world: molecules (or records), captions and what is true of them."""

from pathlib import Path

import pyarrow as pa

from molmix.job import job

with job(snakemake):
    from molmix.files import write_table

    if snakemake.params.domain == "text":
        from molmix.world.weather import table
    else:
        from molmix.world.corpus import table

    frame = table(snakemake.params.molecules, snakemake.params.seed)
    write_table(Path(snakemake.output[0]), pa.Table.from_pandas(frame, preserve_index=False))
