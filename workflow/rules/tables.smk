# Needs: the answers of every model, the test sets, and for captions the NLI probabilities of every judge.
# Makes: scores/<model>/<test>.parquet (one row per answer, every metric), and from all of them the tables comparisons and
#        leaderboard, and if the study has models for them merges, alignments and seeds (CSV, Markdown, LaTeX);
#        and merge_search, the candidates of merges whose weights were searched.
rule score:
    input:
        **named("tests", paths.tests()),
        **named("predictions", paths.predictions("{model}")),
        **named(
            "judged",
            {judge: paths.judged(judge, "{model}") for judge in products.judges},
        ),
        **named("text2mol", paths.text2mol("{model}")),
        files=[*study.metrics.files().values(), *study.judge_files()],
    output:
        **named("scores", paths.scores("{model}")),
    log:
        f"{LOGS}/score/{MODEL}.log",
    group:
        groups.scores
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000 if study.metrics.fcd else 1500),
        runtime=grows(30 if study.metrics.fcd else 10),
    params:
        directions=products.tests,
        options=products.metric_options,
    message:
        "Scoring {wildcards.model}"
    script:
        "../scripts/score.py"


rule text2mol:
    input:
        **named("tests", paths.tests(judged=True)),
        **named("predictions", paths.predictions("{model}", products.text2mol_tests)),
        text_model=f"{R}/text_models/text2mol/manifest.json",
        files=[*study.metrics.files().values()],
    output:
        **named("similarities", paths.text2mol("{model}")),
    log:
        f"{LOGS}/text2mol/{MODEL}.log",
    group:
        groups.scores
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(120),
    params:
        settings=study.metrics.model_dump()["text2mol"],
    message:
        "Computing Text2Mol of {wildcards.model}"
    script:
        "../scripts/text2mol.py"


rule comparisons:
    input:
        **named("scores", paths.all_scores()),
        **named("licences", paths.licences()),
        **named("manifests", paths.manifests()),
        corpus=f"{R}/data/manifest.json",
    output:
        **named("tables", {name: table_files(name) for name in products.compared}),
    log:
        f"{LOGS}/comparisons.log",
    group:
        groups.scores
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(max(4000, 5 * len(table))),
        runtime=grows(60),
    params:
        models=products.model_facts,
        tests=products.tests,
        statistics=study.statistics.model_dump(),
        seeds=study.seeds,
        config=DIGEST,
        options=products.metric_options,
        scores=lambda wildcards, input: f"{R}/scores",
        made_by=made_by,
    message:
        "Comparing the models"
    script:
        "../scripts/comparisons.py"


rule leaderboard:
    input:
        **named("scores", paths.all_scores()),
        **named("licences", paths.licences()),
        **named("manifests", paths.manifests()),
        corpus=f"{R}/data/manifest.json",
        comparisons=f"{R}/tables/comparisons.csv",
    output:
        **table_files("leaderboard"),
    log:
        f"{LOGS}/leaderboard.log",
    group:
        groups.scores
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(max(4000, 5 * len(table))),
        runtime=grows(60),
    params:
        models=products.model_facts,
        tests=products.tests,
        statistics=study.statistics.model_dump(exclude={"compare"}),
        seeds=study.seeds,
        config=DIGEST,
        options=products.metric_options,
        scores=lambda wildcards, input: f"{R}/scores",
        made_by=made_by,
    message:
        "Writing the leaderboard"
    script:
        "../scripts/leaderboard.py"


rule merge_search:
    input:
        found=paths.searches(*table),
        corpus=f"{R}/data/manifest.json",
    output:
        **table_files("merge_search"),
    log:
        f"{LOGS}/merge_search.log",
    group:
        "judge"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        seeds=study.seeds,
        config=DIGEST,
    message:
        "Writing the table of searched merges"
    script:
        "../scripts/merge_search.py"
