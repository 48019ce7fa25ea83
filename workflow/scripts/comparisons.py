"""Compare every model with its start, its parents and the best one, from their scores."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.comparison.compare import compare_models

    params = snakemake.params
    compare_models(
        models=params.models,
        tests=list(params.tests),
        scores=Path(params.scores),
        statistics=params.statistics,
        options=params.options,
        licences=nested(snakemake.input, "licences"),
        study_seeds=params.seeds,
        config=params.config,
        corpus=Path(snakemake.input.corpus),
        manifests=list(nested(snakemake.input, "manifests").values()),
        tables={name: files["csv"].with_suffix("") for name, files in nested(snakemake.output, "tables").items()},
    )
