# Needs: the manifest and the weights of each model, or the files of each system, and the test sets.
# Makes: predictions/<model>/<test>.parquet, the answers of each model. (Merges whose weights are not kept answer in the
#        job that merges them: models.smk.)
rule generate:
    input:
        **named("tests", paths.tests()),
        examples=lambda wildcards: paths.examples(wildcards.model),
        manifest=paths.manifest("{model}"),
        lineage=lambda wildcards: [
            paths.manifest(model) for model in table.lineage(wildcards.model)
        ],
        weights=lambda wildcards: weights(wildcards.model),
    output:
        **named("predictions", paths.predictions("{model}")),
    log:
        f"{LOGS}/generate/{MODEL}.log",
    wildcard_constraints:
        model=any_of(products.generating),
    priority: 20
    group:
        groups.generate
    conda:
        environment(study.generation.engine)
    threads: needs.cores("generate")
    resources:
        **needs.gpus("generate"),
        one_by_one=1,
        mem_mb=needs.to_load("generate", 3000, lambda wildcards: wildcards.model),
        runtime=grows(120),
    params:
        settings=study.captioning(),
        prompts=lambda wildcards: table[wildcards.model].prompts(study.prompts),
        directions=products.tests,
        seed=study.seeds[0],
        cache=f"{R}/work/generate",
    message:
        "Generating with {wildcards.model}"
    script:
        "../scripts/generate.py"


rule ask_endpoint:
    input:
        **named("tests", paths.tests()),
        examples=lambda wildcards: paths.examples(wildcards.model),
    output:
        **named("predictions", paths.predictions("{model}")),
        manifest=paths.manifest("{model}"),
    log:
        f"{LOGS}/ask_endpoint/{MODEL}.log",
    wildcard_constraints:
        model=any_of(products.endpoints),
    priority: 20
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(240),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        generation=study.generation.model_dump(),
        prompts=lambda wildcards: table[wildcards.model].prompts(study.prompts),
        directions=products.tests,
        seed=study.seeds[0],
        cache=CAPTIONS_CACHE,
    message:
        "Asking {wildcards.model} for captions"
    script:
        "../scripts/ask_endpoint.py"


rule join_external:
    input:
        **named("tests", paths.tests()),
        files=lambda wildcards: [
            source["path"] for source in products.systems[wildcards.model].values()
        ],
        corpus=f"{R}/data/manifest.json",
    output:
        **named("predictions", paths.predictions("{model}")),
        unjoined=f"{R}/models/{{model}}/unjoined.parquet",
        manifest=paths.manifest("{model}"),
    log:
        f"{LOGS}/join_external/{MODEL}.log",
    wildcard_constraints:
        model=any_of(products.systems),
    group:
        groups.external
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        predictions=lambda wildcards: products.systems[wildcards.model],
        tests=list(products.tests),
        domain=study.domain,
    message:
        "Joining the captions of {wildcards.model} to the references"
    script:
        "../scripts/join_external.py"
