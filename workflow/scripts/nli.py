"""Judge every ordered pair of reference and generated atoms of one model's captions."""

from pathlib import Path

from molmix.job import job

with job(snakemake):
    from molmix.nli.run import cross

    files, params = snakemake.input, snakemake.params
    tests = [Path(path).stem for path in snakemake.output]
    cross(
        atoms={
            test: (Path(reference), Path(generated))
            for test, reference, generated in zip(tests, files.reference, files.generated, strict=True)
        },
        outs={test: Path(path) for test, path in zip(tests, snakemake.output, strict=True)},
        model=Path(files.model),
        store=Path(params.store),
        neighbours={test: sorted(Path(params.atoms).glob(f"*/{test}.parquet")) for test in tests},
        batch_tokens=params.batch_tokens,
        max_length=params.max_length,
    )
