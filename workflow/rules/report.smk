# Needs: the tables and figures of a run.
# Makes: tables/<name>.html (each table as a page), report/index.html (Snakemake's own report: captions, figures, tables),
#        and of a run that is not done so-far/index.html.

# What the target `judge` makes is shown where it is there: no one should wait for it who only wants to look.
MEASURED = [name for name in TRUST if Path(f"{R}/tables/{name}.md").exists()]
ABLATED = [f"ablation-{name}" for name in study.ablations]
PAGES = ["leaderboard", *COMPARED, *ABLATED, *MEASURED]
PICTURES = [*FIGURES, *ABLATED] + [
    f"judges-{test}" for test in JUDGED if "judges" in MEASURED
]


rule pages:
    input:
        [f"{R}/tables/{name}.md" for name in PAGES],
    output:
        [shown(name, "html", "Page") for name in PAGES],
    log:
        f"{LOGS}/pages.log",
    benchmark:
        f"{BENCH}/pages.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        statistics=study.statistics.model_dump(),
    message:
        "Laying tables out as pages"
    script:
        "../scripts/pages.py"


rule report:
    input:
        f"{R}/explorer",  # which its first page leads to
        corpus=f"{R}/data/manifest.json",
        manifests=[manifest(model) for model in table],
        results=expand(
            f"{R}/tables/{{name}}.{{kind}}", name=PAGES, kind=["html", "csv"]
        )
        + [f"{R}/plots/{name}.svg" for name in PICTURES],
    output:
        f"{R}/report/index.html",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCH}/report.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        seeds=study.seeds,
        resamples=study.statistics.resamples,
        config=DIGEST,
    message:
        "Putting the report together"
    script:
        "../scripts/report.py"


# Whatever there is of a run that is not done, made anew each time: it has no inputs and no outputs. Beside a run under
# way Snakemake wants `--nolock`.
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
        models=MODELS,
        tests=DIRECTIONS,
        root=R,
        others=[f"{R}/tables/{name}.md" for name in TRUST],
        folder=f"{R}/so-far",
        statistics=study.statistics.model_dump(),
        seeds=study.seeds,
        config=DIGEST,
        options=OPTIONS,
    message:
        "Laying out what there is of {params.run}, in {params.folder}/index.html"
    script:
        "../scripts/report_so_far.py"
