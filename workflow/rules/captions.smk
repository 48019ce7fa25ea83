# Needs: a model's manifest and weights, and the test sets.
# Makes: predictions/<model>/<test>.parquet, the text each model answers with.
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
    priority: 20
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        settings=study.generation.model_dump(),
        prompts=study.prompts.model_dump(),
        directions={name: test.direction for name, test in study.data.tests.items()},
        seed=study.seeds[0],
        cache=f"{R}/work/generate",
    message:
        "Generating with {wildcards.model}"
    script:
        "../scripts/generate.py"
