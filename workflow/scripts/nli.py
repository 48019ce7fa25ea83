"""Ask a judge's NLI model about every ordered pair of reference and generated units of one author's captions."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.judges.nli.inference import predict_tables
    from molmix.pipeline.paths import units_of_models

    files, params = snakemake.input, snakemake.params
    reference, generated = nested(files, "reference"), nested(files, "generated")
    texts = nested(files, "texts")
    predict_tables(
        atoms={test: (reference[test], generated[test]) for test in reference},
        outs=nested(snakemake.output, "nli"),
        texts={test: (texts["references"][test], path) for test, path in texts.get("captions", {}).items()},
        model=Path(files.model),
        cache=Path(params.store),
        neighbours={test: units_of_models(Path(params.atoms), test) for test in reference},
        **params.asking,
        **params.model,
    )
