"""Ask a judge's NLI model for every ordered pair of reference and generated units of one author's captions."""

from pathlib import Path

from molmix.pipeline.job import job

with job(snakemake):
    from molmix.judges.nli.inference import cross
    from molmix.pipeline.model_table import RESERVED

    files, params = snakemake.input, snakemake.params
    tests = [Path(path).stem for path in snakemake.output]
    folders = [folder for folder in Path(params.atoms).iterdir() if folder.name not in RESERVED]
    cross(
        atoms={
            test: (Path(reference), Path(generated))
            for test, reference, generated in zip(tests, files.reference, files.generated, strict=True)
        },
        outs={test: Path(path) for test, path in zip(tests, snakemake.output, strict=True)},
        model=Path(files.model[0]),
        store=Path(params.store),
        neighbours={
            test: sorted(path for folder in folders if (path := folder / f"{test}.parquet").is_file()) for test in tests
        },
        both_ways=params.both_ways,
        **params.model,
    )
