# Needs: the config's `ablations`, and the scores of the models that are their arms.
# Makes: tables/ablation-<name> (CSV, Markdown, LaTeX) and plots/ablation-<name>. Each ablation is a target of its own,
#        for which only the models of its arms are made (`snakemake ablation_<name>`; `ablations` for all).
rule compare_arms:
    input:
        unpack(
            lambda wildcards: named(
                "scores",
                paths.all_scores(study.ablations[wildcards.ablation].models()),
            )
        ),
        **named("licences", paths.licences()),
        corpus=f"{R}/data/manifest.json",
    output:
        **table_files("ablation-{ablation}"),
    log:
        f"{LOGS}/compare_arms/{{ablation}}.log",
    wildcard_constraints:
        ablation=any_of(study.ablations),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        ablation=lambda wildcards: study.ablations[wildcards.ablation].model_dump(),
        tests=list(products.tests),
        statistics=study.statistics.model_dump(exclude={"compare"}),
        seeds=study.seeds,
        config=DIGEST,
        options=products.metric_options,
        scores=f"{R}/scores",
        made_by=made_by,
    message:
        "Comparing the arms of the ablation {wildcards.ablation}"
    script:
        "../scripts/compare_arms.py"


rule plot_arms:
    input:
        table=f"{R}/tables/ablation-{{ablation}}.csv",
    output:
        **figure_files(
            "ablation-{ablation}", "ablation", "Ablations", "ablation-{ablation}"
        ),
    log:
        f"{LOGS}/plot_arms/{{ablation}}.log",
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
        options=products.metric_options,
    message:
        "Drawing the ablation {wildcards.ablation}"
    script:
        "../scripts/plot_arms.py"


rule ablations:
    input:
        [file for name in study.ablations for file in paths.ablation(name)],


for name in study.ablations:

    rule:
        name:
            f"ablation_{name}"
        input:
            paths.ablation(name),
