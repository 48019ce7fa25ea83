# Needs: a model's manifest and weights, or a system's files, and the test sets.
# Makes: predictions/<model>/<test>.parquet, the text each model answers with (merges that are not kept: models.smk).
SYSTEMS = {
    system.name: {
        test: predictions.model_dump()
        for test, predictions in system.predictions.items()
    }
    for system in study.systems
}


rule generate:
    input:
        manifest=f"{R}/models/{{model}}/manifest.json",
        lineage=lambda wildcards: [
            manifest(model) for model in table.lineage(wildcards.model)
        ],
        weights=lambda wildcards: weights(wildcards.model),
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TESTS),
    output:
        expand(f"{R}/predictions/{{{{model}}}}/{{test}}.parquet", test=TESTS),
    log:
        f"{LOGS}/generate/{{model}}.log",
    benchmark:
        f"{BENCH}/generate/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(
            model
            for model, row in table.items()
            if row.kind != "external" and model not in PASSING
        ),
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
            3000, lambda wildcards: to_load("generate", shape_of(wildcards.model))
        ),
        runtime=grows(120),
    params:
        settings=study.generation.model_dump(),
        prompts=lambda wildcards: table[wildcards.model].prompts(study.prompts),
        directions=DIRECTIONS,
        seed=study.seeds[0],
        cache=f"{R}/work/generate",
    message:
        "Generating with {wildcards.model}"
    script:
        "../scripts/generate.py"


rule join_external:
    input:
        files=lambda wildcards: [
            source["path"] for source in SYSTEMS[wildcards.model].values()
        ],
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TESTS),
        corpus=f"{R}/data/manifest.json",
    output:
        answers=expand(f"{R}/predictions/{{{{model}}}}/{{test}}.parquet", test=TESTS),
        unjoined=f"{R}/models/{{model}}/unjoined.parquet",
        manifest=f"{R}/models/{{model}}/manifest.json",
    log:
        f"{LOGS}/join_external/{{model}}.log",
    benchmark:
        f"{BENCH}/join_external/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(SYSTEMS),
    group:
        EXTERNAL_GROUP
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        predictions=lambda wildcards: SYSTEMS[wildcards.model],
        tests=TESTS,
        domain=study.domain,
    message:
        "Joining the captions of {wildcards.model} to the references"
    script:
        "../scripts/join_external.py"
