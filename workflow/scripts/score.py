"""Score one model's answers: one row per caption, with every metric."""

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.metrics.score import write_scores

    files, params = snakemake.input, snakemake.params
    tests, predictions = nested(files, "tests"), nested(files, "predictions")
    judged, text2mol = nested(files, "judged"), nested(files, "text2mol")
    for test, out in nested(snakemake.output, "scores").items():
        write_scores(
            test=tests[test],
            direction=params.directions[test],
            predictions=predictions[test],
            judged={judge: paths[test] for judge, paths in judged.items() if test in paths},
            text2mol=text2mol.get(test),
            out=out,
            options=params.options,
        )
