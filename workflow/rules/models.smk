# Needs: data/train, preferences/pairs, and the models each one is made from.
# Makes: models/<id>/manifest.json with weights/ (initial, merged) or adapter/ (aligned).
# One rule a way of making; which models it makes is in its wildcard constraint, from the model table.
rule train_initial:
    input:
        train=lambda wildcards: f"{R}/data/{corpus_of(wildcards.model)}train.parquet",
        parents=lambda wildcards: [
            manifest(parent) for parent in table[wildcards.model].parents
        ],
        weights=lambda wildcards: [
            folder
            for parent in table[wildcards.model].parents
            for folder in weights(parent)
        ],
    output:
        weights=directory(f"{R}/models/{{model}}/weights"),
        log=f"{R}/models/{{model}}/log.parquet",
        manifest=f"{R}/models/{{model}}/manifest.json",
    log:
        f"{LOGS}/train_initial/{{model}}.log",
    benchmark:
        f"{BENCH}/train_initial/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(model for model, row in table.items() if row.method == "made"),
    priority: 50
    conda:
        "../../envs/models.yaml"
    threads: cores("initial")
    resources:
        **gpus("initial"),
        mem_mb=grows(2500),
        runtime=grows(60),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
    message:
        "Training the initial model {wildcards.model}"
    script:
        "../scripts/train_initial.py"


localrules:
    fetch_initial,


rule fetch_initial:
    output:
        manifest=f"{R}/models/{{model}}/manifest.json",
    log:
        f"{LOGS}/fetch_initial/{{model}}.log",
    benchmark:
        f"{BENCH}/fetch_initial/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(
            model for model, row in table.items() if row.method == "pretrained"
        ),
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(240),
    params:
        kind="initial",
        source=lambda wildcards: table[wildcards.model].settings["id"],
        revision=lambda wildcards: table[wildcards.model].settings["revision"],
    message:
        "Fetching {params.source} as {wildcards.model}"
    script:
        "../scripts/fetch.py"


rule align:
    input:
        pairs=lambda wildcards: f"{pairs_of(wildcards.model)}pairs.parquet",
        start=lambda wildcards: manifest(table[wildcards.model].parents[0]),
        weights=lambda wildcards: weights(table[wildcards.model].parents[0]),
    output:
        adapter=directory(f"{R}/models/{{model}}/adapter"),
        log=f"{R}/models/{{model}}/log.parquet",
        manifest=f"{R}/models/{{model}}/manifest.json",
    log:
        f"{LOGS}/align/{{model}}.log",
    benchmark:
        f"{BENCH}/align/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(table.of_kind("aligned")),
    priority: 40
    conda:
        "../../envs/models.yaml"
    threads: cores("align")
    resources:
        **gpus("align"),
        mem_mb=holds(
            3000, lambda wildcards: to_load("align", shape_of(wildcards.model))
        ),
        runtime=grows(1440),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        work=f"{R}/work/align/{{model}}",
    message:
        "Aligning {wildcards.model}"
    script:
        "../scripts/align.py"


rule merge:
    input:
        parents=merge_parents,
        base=lambda wildcards: manifest(table[wildcards.model].base),
        weights=merge_weights,
    output:
        weights=directory(f"{R}/models/{{model}}/weights"),
        recipe=f"{R}/models/{{model}}/mergekit.yaml",
        card=f"{R}/models/{{model}}/README.md",
        manifest=f"{R}/models/{{model}}/manifest.json",
    log:
        f"{LOGS}/merge/{{model}}.log",
    benchmark:
        f"{BENCH}/merge/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(KEPT),
    priority: 30
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=holds(3000, lambda wildcards: to_merge(shape_of(wildcards.model))),
        runtime=grows(120),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        work=f"{R}/work/merge/{{model}}",
    message:
        "Merging {wildcards.model}"
    script:
        "../scripts/merge.py"


# Merged weights that only write captions do so where they were made, and never leave the job: as many are on disk at
# once as jobs run, and what is loaded once serves both.
rule merge_and_generate:
    input:
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TESTS),
        parents=merge_parents,
        base=lambda wildcards: manifest(table[wildcards.model].base),
        weights=merge_weights,
    output:
        predictions=expand(
            f"{R}/predictions/{{{{model}}}}/{{test}}.parquet", test=TESTS
        ),
        recipe=f"{R}/models/{{model}}/mergekit.yaml",
        card=f"{R}/models/{{model}}/README.md",
        manifest=f"{R}/models/{{model}}/manifest.json",
    log:
        f"{LOGS}/merge_and_generate/{{model}}.log",
    benchmark:
        f"{BENCH}/merge_and_generate/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(PASSING),
    priority: 20
    group:
        "generate"
    conda:
        env_of_models(BY_VLLM)
    threads: cores("generate")
    resources:
        **gpus("generate"),
        one_by_one=1,
        mem_mb=holds(
            3000,
            lambda wildcards: max(
                to_merge(shape_of(wildcards.model)),
                to_load("generate", shape_of(wildcards.model)),
            ),
        ),
        runtime=grows(120),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        work=f"{R}/work/merge/{{model}}",
        directions=DIRECTIONS,
        prompts=study.prompts.model_dump(),
        generation=study.generation.model_dump(),
        first_seed=study.seeds[0],
        cache=f"{R}/work/generate",
    message:
        "Merging {wildcards.model}, and generating with it"
    script:
        "../scripts/merge_and_generate.py"
