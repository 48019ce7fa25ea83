"""Read, clean and split the corpus."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.data.corpus import build

    out, params = snakemake.output, snakemake.params
    folders = dict.fromkeys(Path(path).parent for path in out.splits)  # in the order of the corpora
    build(
        data=params.data,
        domain=params.domain,
        seed=params.seed,
        shares=params.shares,
        world=Path(snakemake.input.world) if snakemake.input.world else None,
        corpora=dict(zip(["", *params.data.get("corpora", {})], folders, strict=False)),
        tests={name: Path(path) for name, path in zip(params.data["tests"], out.tests, strict=True)},
        manifest=Path(out.manifest),
        properties=Path(snakemake.input.properties) if snakemake.input.properties else None,
    )
