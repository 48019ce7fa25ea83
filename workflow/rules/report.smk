# Needs: the tables and figures of a run.
# Makes: tables/<name>.html (each table as a page), report/index.html (Snakemake's own report: captions, figures,
#        tables), report/one-page.html (the same as one page, to print), and for a run that is not finished so-far/index.html.
# The tables of the target `judge` are shown if they exist or the same command makes them: the report alone does not make
# them, as that takes long.
# Snakemake's report is written by a second Snakemake, to which MOLMIX_ABOUT is given.
REPORTED = products.reported(
    Path(f"{R}/tables"),
    judge_too="judge" in sys.argv,
    finished="MOLMIX_ABOUT" in os.environ,
)


rule pages:
    input:
        **named(
            "md",
            {name: f"{R}/tables/{name}.md" for name in REPORTED["tables"]},
        ),
    output:
        **named(
            "html",
            {name: shown(name, "html", "Page") for name in REPORTED["tables"]},
        ),
    log:
        f"{LOGS}/pages.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        statistics=study.statistics.model_dump(exclude={"compare"}),
    message:
        "Writing the tables as pages"
    script:
        "../scripts/pages.py"


rule report:
    input:
        **named("manifests", paths.manifests()),
        **named("licences", paths.licences()),
        explorer=f"{R}/explorer",  # the first page of the report links to it
        corpus=f"{R}/data/manifest.json",
        texts=paths.tables(*REPORTED["tables"], kinds=["md"]),
        results=paths.tables(*REPORTED["tables"], kinds=["html", "csv"]),
        figures=paths.figures(*REPORTED["figures"], kinds=["svg"]),
    output:
        page=f"{R}/report/index.html",
        one_page=f"{R}/report/one-page.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        run=study.run,
        models=products.model_facts,
        tests=list(products.tests),
        seeds=study.seeds,
        statistics=study.statistics.model_dump(exclude={"compare"}),
        config=DIGEST,
        options=products.metric_options,
        tables=lambda wildcards, input: f"{R}/tables",
        benchmarks=BENCH,
    message:
        "Writing the report"
    script:
        "../scripts/report.py"


# It shows whatever a run has so far. It has no inputs and no outputs, so it runs every time. While the run goes on,
# Snakemake needs `--nolock` for it.
rule report_so_far:
    log:
        f"{LOGS}/report_so_far.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        run=study.run,
        models=products.model_facts,
        tests=products.tests,
        root=R,
        others=paths.tables(*VALIDATION, kinds=["md"]),
        folder=f"{R}/so-far",
        statistics=study.statistics.model_dump(exclude={"compare"}),
        seeds=study.seeds,
        config=DIGEST,
        options=products.metric_options,
        licences=paths.licences(),
    message:
        "Writing what {params.run} has so far to {params.folder}/index.html"
    script:
        "../scripts/report_so_far.py"
