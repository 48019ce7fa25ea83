# Needs: the config's `ablations`, and the scores of the models that are their arms.
# Makes: tables/ablation-<name> (CSV, Markdown, LaTeX) and plots/ablation-<name>. Each can be asked for by itself, and
#        then makes the models of its own arms only (`snakemake ablation_<name>`; `ablations` for all).
rule compare_arms:
    input:
        scores=lambda wildcards: expand(
            f"{R}/scores/{{model}}/{{test}}.parquet",
            model=study.ablations[wildcards.ablation].models(),
            test=TESTS,
        ),
        corpus=f"{R}/data/manifest.json",
    output:
        data_file("ablation-{ablation}"),
        expand(f"{R}/tables/ablation-{{{{ablation}}}}.{{kind}}", kind=["md", "tex"]),
    log:
        f"{LOGS}/compare_arms/{{ablation}}.log",
    benchmark:
        f"{BENCH}/compare_arms/{{ablation}}.tsv"
    wildcard_constraints:
        ablation=any_of(study.ablations),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        ablation=lambda wildcards: study.ablations[wildcards.ablation].model_dump(),
        tests=TESTS,
        statistics=study.statistics.model_dump(),
        seeds=study.seeds,
        config=DIGEST,
        options=OPTIONS,
        scores=f"{R}/scores",
    message:
        "Comparing the arms of the ablation {wildcards.ablation}"
    script:
        "../scripts/compare_arms.py"


rule plot_arms:
    input:
        f"{R}/tables/ablation-{{ablation}}.csv",
    output:
        **{
            kind: report(
                f"{R}/plots/ablation-{{ablation}}.{kind}",
                caption="../report/ablation.rst",
                category="Ablations",
                labels={"name": "ablation-{ablation}", "format": kind.upper()},
            )
            for kind in ["svg", "png"]
        },
    log:
        f"{LOGS}/plot_arms/{{ablation}}.log",
    benchmark:
        f"{BENCH}/plot_arms/{{ablation}}.tsv"
    wildcard_constraints:
        ablation=any_of(study.ablations),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(20),
    params:
        title=lambda wildcards: study.ablations[wildcards.ablation].title,
        factor=lambda wildcards: study.ablations[wildcards.ablation].factor,
        options=OPTIONS,
    message:
        "Drawing the ablation {wildcards.ablation}"
    script:
        "../scripts/plot_arms.py"


rule ablations:
    input:
        [file for name in study.ablations for file in ablation_files(name)],


for name in study.ablations:

    rule:
        name:
            f"ablation_{name}"
        input:
            ablation_files(name),
