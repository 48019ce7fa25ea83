"""Compare the judges with each other, on models and on planted captions."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.analysis.judge_validation.validate import compare_judges

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    scores: dict = {test: {} for test in params.tests}
    for path in map(Path, files.scores):
        scores[path.stem][path.parent.name] = path
    compare_judges(
        judges=params.judges,
        planted=dict(zip(params.tests, map(Path, files.planted), strict=True)),
        scores=scores,
        table=Path(out.tables[0]).with_suffix(""),
        seeds=params.seeds,
        config=params.config,
        corpus=Path(files.corpus),
        **params.statistics,
    )
