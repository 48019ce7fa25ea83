"""Pair references with rejected texts."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.data.preferences import build_pairs

    params = snakemake.params
    build_pairs(
        corpus={"train": Path(snakemake.input.subset), "validation": Path(snakemake.input.validation)},
        rejected=params.rejected,
        texts=nested(snakemake.input, "rejected"),
        templates=params.prompts,
        domain=params.domain,
        share=params.share,
        pairs=Path(snakemake.output.pairs),
        manifest=Path(snakemake.output.manifest),
    )
