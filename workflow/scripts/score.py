"""Score one model's answers: one row a caption, every metric."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.metrics.score import score

    files, params = snakemake.input, snakemake.params
    # nli/<judge>/<model>/<test>.parquet
    nli: dict = {}
    for path in map(Path, files.nli):
        nli.setdefault(path.stem, {})[path.parts[-3]] = path
    text2mol = {path.stem: path for path in map(Path, files.text2mol)}
    for (test, way), rows, answers, out in zip(
        params.directions.items(), files.tests, files.predictions, snakemake.output, strict=True
    ):
        score(
            test=Path(rows),
            direction=way,
            predictions=Path(answers),
            nli=nli.get(test, {}),
            text2mol=text2mol.get(test),
            out=Path(out),
            options=params.options,
        )
