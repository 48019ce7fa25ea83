"""Write the report: Snakemake's own, and all of it as one page."""

from pathlib import Path

from molmix.pipeline.job import job
from molmix.pipeline.named import nested

with job(snakemake):
    from molmix.analysis.licences import Licences
    from molmix.analysis.provenance import provenance
    from molmix.core.files import read_json
    from molmix.metrics import Options
    from molmix.report.front_page import front_page, write_one_page
    from molmix.report.snakemake_report import write_report

    files, params = snakemake.input, snakemake.params
    options = Options(**params.options)
    links = {"Molecule by molecule": "../explorer/index.html"}
    front = {
        "run": params.run,
        "models": params.models,
        "tests": params.tests,
        "tables": Path(params.tables),
        "licences": Licences(nested(files, "licences"), options),
        "options": options,
        "level": params.statistics["level"],
        "benchmarks": Path(params.benchmarks),
        "about": provenance(
            config=params.config,
            seeds=params.seeds,
            resamples=params.statistics["resamples"],
            corpus=Path(files.corpus),
            models=[read_json(path) for path in nested(files, "manifests").values()],
        ),
    }
    figures = {path.stem: path for path in map(Path, files.figures)}
    one_page, page = Path(snakemake.output.one_page), Path(snakemake.output.page)
    write_one_page(front_page(**front, links=links), [Path(path) for path in files.texts], figures, one_page)
    links["All tables and figures as one page, to print or save as PDF"] = one_page.name
    targets = [*files.results, *files.figures]
    write_report(config=snakemake.config, targets=targets, front=front_page(**front, links=links), page=page)
