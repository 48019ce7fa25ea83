"""Compare the judges with each other, on models and on planted captions."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.judge_validation.validate import compare_judges

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    scores = nested(files, "scores")
    compare_judges(
        options=params.options,
        planted=nested(files, "planted"),
        scores={test: {model: paths[test] for model, paths in scores.items()} for test in params.tests},
        licences=nested(files, "licences"),
        tables={name: files["csv"].with_suffix("") for name, files in nested(out, "tables").items()},
        seeds=params.seeds,
        config=params.config,
        corpus=Path(files.corpus),
        **params.statistics,
    )
