"""Score one model's answers: one row a caption, every metric."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.score import score

    files, params = snakemake.input, snakemake.params
    nli = dict(zip(params.judged, files.nli, strict=True))
    for (test, way), rows, answers, out in zip(
        params.directions.items(), files.tests, files.predictions, snakemake.output, strict=True
    ):
        score(
            test=Path(rows),
            direction=way,
            predictions=Path(answers),
            nli=Path(nli[test]) if test in nli else None,
            out=Path(out),
            options=params.options,
        )
