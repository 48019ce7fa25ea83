"""Audit the decomposers: atoms against their captions, and captions against their atoms."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.analysis.judge_validation.audit import audit

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    manifests = [Path(path) for path in files.models if path.endswith("manifest.json")]
    audit(
        judges=params.judges,
        captions=dict(zip(params.captions, map(Path, files.captions), strict=True)),
        # atoms/<decomposer>/<author>/<test>.parquet
        atoms={(path.parts[-3], path.parts[-2], path.stem): path for path in map(Path, files.atoms)},
        models={path.parent.name: path for path in manifests},
        nli=params.nli,
        store=Path(params.store),
        sample=params.sample,
        seeds=params.seeds,
        config=params.config,
        corpus=Path(files.corpus),
        table=Path(out.tables[0]).with_suffix(""),
    )
