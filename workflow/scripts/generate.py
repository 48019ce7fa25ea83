"""Let one model answer the prompts of every test set."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.files import read_table
    from molmix.generate import generate
    from molmix.prompts import prompt

    params, prompts = snakemake.params, {}
    for (test, way), path in zip(params.directions.items(), snakemake.input.tests, strict=True):
        rows = read_table(path, columns=["id", "molecule", "references"]).to_pylist()
        asked = [row["molecule"] if way == "mol2cap" else row["references"][0] for row in rows]
        prompts[test] = (
            [row["id"] for row in rows],
            [prompt(params.prompts[way], way, text) for text in asked],
        )
    generate(
        manifest=Path(snakemake.input.manifest),
        prompts=prompts,
        outs={test: Path(path) for test, path in zip(params.directions, snakemake.output, strict=True)},
        settings=params.settings,
        seed=params.seed,
        cache=Path(params.cache),
    )
