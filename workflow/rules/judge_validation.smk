# Needs: test sets whose answers are captions; the NLI probabilities of every judge for captions with planted errors; the
#        captions and scores of the models that `judge_validation.systems` names.
# Makes: data/planted and predictions/planted (references and captions of models, with planted errors),
#        judge_validation/<test> (the scores that every judge gives them), and tables/judges, tables/agreement,
#        tables/rankings, tables/licences, tables/audit, plots/judges: how far the judges can be trusted.
rule plant_errors:
    input:
        **named("tests", paths.tests(judged=True)),
        **named(
            "systems",
            {model: paths.captions(model) for model in products.validated_systems},
        ),
    output:
        **named("references", paths.captions("planted-reference")),
        **named("captions", paths.captions("planted")),
    log:
        f"{LOGS}/plant_errors.log",
    group:
        groups.validation
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    params:
        settings=study.judge_validation.model_dump(exclude={"systems"}),
        seed=study.seeds[0],
    message:
        "Planting errors into captions"
    script:
        "../scripts/plant_errors.py"


rule judge_validation:
    input:
        **named("tests", paths.captions("planted-reference")),
        **named("captions", paths.captions("planted")),
        **named(
            "judged",
            {judge: paths.judged(judge, "planted") for judge in products.judges},
        ),
        files=[*study.metrics.files().values(), *study.judge_files()],
        corpus=f"{R}/data/manifest.json",
    output:
        **named("scores", paths.validated()),
        **table_files("judges"),
        **named(
            "plots",
            {
                test: figure_files(
                    f"judges-{test}",
                    "judges-plot",
                    "Judges",
                    f"Planted errors on {test}",
                )
                for test in products.judged
            },
        ),
    log:
        f"{LOGS}/judge_validation.log",
    group:
        groups.validation
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        options=products.metric_options,
        statistics=study.statistics.model_dump(exclude={"compare"}),
        seeds=study.seeds,
        # Only of the sections that this rule depends on: a new learning rate must not rerun it.
        config=f"{study.digest('domain', 'seeds', 'data', 'world', 'decomposers', 'nli', 'judges', 'judge_validation', 'metrics', 'statistics')}"
        " (of what judges depend on)",
    message:
        "Scoring captions with planted errors by every judge"
    script:
        "../scripts/judge_validation.py"


rule agreement:
    input:
        **named("planted", paths.validated()),
        **named("scores", paths.all_scores(products.validated_systems, judged=True)),
        **named("licences", paths.licences()),
        corpus=f"{R}/data/manifest.json",
    output:
        **named(
            "tables",
            {
                name: table_files(name)
                for name in ("agreement", "rankings", "licences")
            },
        ),
    log:
        f"{LOGS}/agreement.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        options=products.metric_options,
        tests=products.judged,
        statistics=study.statistics.model_dump(exclude={"compare"}),
        seeds=study.seeds,
        config=DIGEST,
        made_by=made_by,
    message:
        "Comparing the judges with each other"
    script:
        "../scripts/agreement.py"


rule audit:
    input:
        **named(
            "models",
            {
                judge.nli: paths.nli_model(judge.nli)
                for judge in products.atomic_judges.values()
            },
        ),
        **named(
            "captions",
            {
                author: paths.captions(author)
                for author in ["reference", *products.validated_systems]
            },
        ),
        **named(
            "atoms",
            {
                judge.decomposed_by: {
                    author: paths.units(judge.decomposed_by, author)
                    for author in ["reference", *products.validated_systems]
                }
                for judge in products.atomic_judges.values()
            },
        ),
        weights=[
            ancient(folder)
            for judge in products.atomic_judges.values()
            for folder in paths.nli_weights(judge.nli)
        ],
        corpus=f"{R}/data/manifest.json",
    output:
        **table_files("audit"),
    log:
        f"{LOGS}/audit.log",
    conda:
        judging_environment(*(judge.nli for judge in products.atomic_judges.values()))
    threads: needs.cores("nli")
    resources:
        **needs.gpus("nli"),
        mem_mb=grows(2500),
        runtime=grows(240),
    params:
        judges={
            products.judge_titles[name]: {
                "nli": judge.nli,
                "decomposer": judge.decomposed_by,
            }
            for name, judge in products.atomic_judges.items()
        },
        nli={name: model.asked() for name, model in study.nli.items()},
        sample=study.judge_validation.molecules,
        store=NLI_CACHE,
        seeds=study.seeds,
        config=DIGEST,
        made_by=made_by,
    message:
        "Auditing the decomposers"
    script:
        "../scripts/audit.py"
