"""Give the verdicts of a judge that asks no NLI model on one author's captions."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.judges.verdicts import write_verdicts

    files, params = snakemake.input, snakemake.params
    captions, references = nested(files, "captions"), nested(files, "references")
    reference, generated = nested(files, "reference_units"), nested(files, "generated_units")
    for test, out in nested(snakemake.output, "verdicts").items():
        write_verdicts(
            captions=captions[test],
            references=references[test],
            units=(reference[test], generated[test]),
            out=out,
            settings=params.settings,
            cache=Path(params.cache),
        )
