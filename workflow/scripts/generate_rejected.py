"""Let a model write the rejected texts of the subset and of validation."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.core.files import read_table
    from molmix.data.prompts import prompt
    from molmix.generation.generate import generate

    way, params = snakemake.wildcards.direction, snakemake.params
    rows = [row for path in snakemake.input.rows for row in read_table(path).to_pylist()]
    asked = "molecule" if way == "mol2cap" else "caption"
    generate(
        manifest=Path(snakemake.input.manifest),
        prompts={way: ([row["id"] for row in rows], [prompt(params.template, way, row[asked]) for row in rows])},
        outs={way: Path(snakemake.output.rejected)},
        settings=params.settings,
        seed=params.seed,
        cache=Path(params.cache),
    )
