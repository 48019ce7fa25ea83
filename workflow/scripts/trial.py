"""Measure every judge on captions with planted errors."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.trial.run import measure_judges

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    nli: dict = {judge: {} for judge in params.judges}
    for path in map(Path, files.nli):
        nli[path.parts[-3]][path.stem] = path
    pictures = [Path(path) for path in out.plots]
    measure_judges(
        judges=params.judges,
        captions=dict(zip(params.tests, map(Path, files.captions), strict=True)),
        nli=nli,
        scores=dict(zip(params.tests, map(Path, out.scores), strict=True)),
        table=Path(out.tables[0]).with_suffix(""),
        plots=dict(zip(params.tests, zip(pictures[::2], pictures[1::2], strict=True), strict=True)),
        seeds=params.seeds,
        config=params.config,
        corpus=Path(files.corpus),
        **params.statistics,
    )
