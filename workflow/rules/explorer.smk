# Needs: test sets; the answers, units, probabilities and scores of every model; the tables leaderboard and comparisons.
# Makes: explorer/, static pages (index.html) that show what each figure is computed from, molecule by molecule.
rule explorer:
    input:
        **named("tests", paths.tests()),
        **named("predictions", {model: paths.predictions(model) for model in table}),
        **named("scores", paths.all_scores()),
        **named(
            "judged",
            {
                judge: {model: paths.judged(judge, model) for model in table}
                for judge in products.judges
            },
        ),
        **named("licences", paths.licences()),
        units=[
            file
            for judge in products.judges
            for model in table
            for files in (
                paths.reference_units(judge, model),
                paths.generated_units(judge, model),
            )
            for file in files.values()
        ],
        tables=paths.tables("leaderboard", "comparisons", kinds=["csv"]),
    output:
        pages=directory(f"{R}/explorer"),
    log:
        f"{LOGS}/explorer.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        study=study.model_dump(exclude=NO_RESULT_DEPENDS_ON),
        configfile=CONFIGFILE,
        made_by=made_by,
    message:
        "Building the explorer"
    script:
        "../scripts/explorer.py"
