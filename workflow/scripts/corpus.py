"""Read, clean and split the corpus."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.data.corpus import build_corpus

    out, params = snakemake.output, snakemake.params
    corpora = nested(out, "splits")
    build_corpus(
        data=params.data,
        domain=params.domain,
        seed=params.seed,
        shares=params.shares,
        processes=snakemake.threads,
        world=Path(snakemake.input.world) if snakemake.input.world else None,
        corpora={name: splits["train"].parent for name, splits in corpora.items()},
        tests=nested(out, "tests"),
        manifest=Path(out.manifest),
        properties=Path(snakemake.input.properties) if snakemake.input.properties else None,
    )
