"""Split captions into atoms: the references, or what one model wrote."""

from pathlib import Path

import pyarrow as pa

from molmix.job import job

with job(snakemake):
    from molmix.decompose import decompose
    from molmix.files import read_table, write_table

    schema = pa.schema([("id", pa.string()), ("atoms", pa.list_(pa.string()))])
    for source, out in zip(snakemake.input.captions, snakemake.output, strict=True):
        rows = read_table(source).to_pylist()
        # The atoms of a molecule with several reference captions are those of all of them.
        captions = [row["references"] if "references" in row else [row["text"]] for row in rows]
        atoms = iter(decompose([text for texts in captions for text in texts], **snakemake.params.settings))
        joined = [list(dict.fromkeys(atom for _ in texts for atom in next(atoms))) for texts in captions]
        write_table(
            Path(out),
            [{"id": row["id"], "atoms": own} for row, own in zip(rows, joined, strict=True)],
            schema,
        )
