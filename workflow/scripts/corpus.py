"""Read, clean and split the corpus."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.data import build

    out, params = snakemake.output, snakemake.params
    corpora = ["", *params.data["corpora"]]
    places = zip(*[map(Path, out.splits)] * 3, strict=True)  # as the rule lists them
    build(
        data=params.data,
        domain=params.domain,
        seed=params.seed,
        shares=params.shares,
        world=Path(snakemake.input.world) if snakemake.input.world else None,
        splits={name: {path.stem: path for path in paths} for name, paths in zip(corpora, places, strict=False)},
        tests={name: Path(path) for name, path in zip(params.data["tests"], out.tests, strict=True)},
        manifest=Path(out.manifest),
        properties=Path(snakemake.input.properties) if snakemake.input.properties else None,
    )
