"""Measure every judge on captions with planted errors."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.analysis.judge_validation.validate import measure_judges
    from molmix.report.plots.judges import draw_judges

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    nli: dict = {judge: {} for judge in params.judges}
    for path in map(Path, files.nli):
        nli[path.parts[-3]][path.stem] = path
    pictured = measure_judges(
        judges=params.judges,
        captions=dict(zip(params.tests, map(Path, files.captions), strict=True)),
        nli=nli,
        scores=dict(zip(params.tests, map(Path, out.scores), strict=True)),
        table=Path(out.tables[0]).with_suffix(""),
        seeds=params.seeds,
        config=params.config,
        corpus=Path(files.corpus),
        **params.statistics,
    )
    pictures = [Path(path) for path in out.plots]
    for rows, svg, png in zip(pictured.values(), pictures[::2], pictures[1::2], strict=True):
        draw_judges(rows, svg=svg, png=png)
