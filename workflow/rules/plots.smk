# Needs: the tables, the losses of trainings, and the times and memory of every job.
# Makes: plots/<figure>[-<test>], SVG and PNG: the figures that the study has something to draw for.
#        (Those of judge validation are in judge_validation.smk.)
# One job draws all: importing the libraries takes longer than most figures. Benchmarks are not among the inputs:
# a job writes its benchmark after its outputs, and times are never the same twice.
rule plots:
    input:
        **named(
            "logs", {model: paths.training_log(model) for model in products.trained}
        ),
        tables=paths.tables("leaderboard", *products.compared, kinds=["csv"]),
    output:
        **named(
            "plots",
            {
                name: figure_files(name, figure["kind"], "Figures", name)
                for name, figure in products.figures.items()
            },
        ),
    log:
        f"{LOGS}/plots.log",
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        figures=products.figures,
        models=products.model_facts,
        level=study.statistics.level,
        options=products.metric_options,
        benchmarks=BENCH,
        tables=lambda wildcards, input: f"{R}/tables",
        plots=lambda wildcards, input: f"{R}/plots",
    message:
        "Drawing the figures"
    script:
        "../scripts/plots.py"
