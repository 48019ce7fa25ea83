# Needs: data/train, preferences/pairs, and the models that each model is made from.
# Makes: models/<id>/manifest.json with weights/ or (aligned) adapter/, and the answers of merges whose weights are not
#        kept. There is one rule for each way to make a model; the model table says which models it makes.
rule train_initial:
    input:
        train=lambda wildcards: paths.training(wildcards.model),
        parents=lambda wildcards: paths.parents(wildcards.model),
        weights=lambda wildcards: weights(*table[wildcards.model].parents),
    output:
        weights=directory(f"{R}/models/{{model}}/weights"),
        log=paths.training_log("{model}"),
        manifest=paths.manifest("{model}"),
    log:
        f"{LOGS}/train_initial/{MODEL}.log",
    wildcard_constraints:
        model=any_of(model for model, row in table.items() if row.method == "made"),
    priority: lambda wildcards: 50 + products.urgency[wildcards.model]
    conda:
        "../../envs/models.yaml"
    threads: needs.cores("initial")
    resources:
        **needs.gpus("initial"),
        mem_mb=grows(2500),
        runtime=grows(60),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        # With `input` among its arguments, Snakemake does not compare it with that of earlier results.
        curves=lambda wildcards, input: f"{R}/tensorboard/{wildcards.model}",
    message:
        "Training the initial model {wildcards.model}"
    script:
        "../scripts/train_initial.py"


localrules:
    fetch_initial,


rule fetch_initial:
    output:
        manifest=paths.manifest("{model}"),
    log:
        f"{LOGS}/fetch_initial/{MODEL}.log",
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
        pairs=lambda wildcards: f"{paths.pairs(wildcards.model)}pairs.parquet",
        start=lambda wildcards: paths.manifest(table[wildcards.model].parents[0]),
        weights=lambda wildcards: weights(table[wildcards.model].parents[0]),
        # For an alignment that scores captions while it trains.
        corpus=lambda wildcards: paths.scored_corpus(wildcards.model),
        metric_files=lambda wildcards: paths.scored_with(wildcards.model),
        nli=lambda wildcards: paths.scoring_nli(wildcards.model),
        nli_weights=lambda wildcards: [
            ancient(folder)
            for name in products.scoring_nli(wildcards.model)
            for folder in paths.nli_weights(name)
        ],
    output:
        adapter=directory(f"{R}/models/{{model}}/adapter"),
        log=paths.training_log("{model}"),
        manifest=paths.manifest("{model}"),
    log:
        f"{LOGS}/align/{MODEL}.log",
    wildcard_constraints:
        model=any_of(products.adapters),
    priority: lambda wildcards: 40 + products.urgency[wildcards.model]
    conda:
        lambda wildcards: judging_environment(*products.scoring_nli(wildcards.model))
    threads: lambda wildcards: needs.align_cores(wildcards.model)
    resources:
        **needs.gpus("align"),
        mem_mb=needs.to_align(3000, fully=False),
        runtime=grows(1440),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        curves=lambda wildcards, input: f"{R}/tensorboard/{wildcards.model}",
        work=f"{R}/work/align/{{model}}",
    message:
        "Aligning {wildcards.model}"
    script:
        "../scripts/align.py"


# All weights are trained, and not an adapter (`adapter: none`).
use rule align as align_fully with:
    output:
        weights=directory(f"{R}/models/{{model}}/weights"),
        log=paths.training_log("{model}"),
        manifest=paths.manifest("{model}"),
    wildcard_constraints:
        model=any_of(products.fully_aligned),
    resources:
        **needs.gpus("align"),
        mem_mb=needs.to_align(3000, fully=True),
        runtime=grows(1440),
    message:
        "Aligning {wildcards.model}, all weights"


# The weights of these merges are searched on the validation split. The merge itself then reads what was found.
rule search_weights:
    input:
        corpus=lambda wildcards: paths.scored_corpus(wildcards.model),
        metric_files=lambda wildcards: paths.scored_with(wildcards.model),
        nli=lambda wildcards: paths.scoring_nli(wildcards.model),
        nli_weights=lambda wildcards: [
            ancient(folder)
            for name in products.scoring_nli(wildcards.model)
            for folder in paths.nli_weights(name)
        ],
        parents=lambda wildcards: paths.parents(wildcards.model),
        base=lambda wildcards: paths.manifest(table[wildcards.model].base),
        weights=lambda wildcards: weights(*table.merged_from(wildcards.model)),
    output:
        found=f"{R}/models/{{model}}/search.json",
    log:
        f"{LOGS}/search_weights/{MODEL}.log",
    wildcard_constraints:
        model=any_of(table.searched()),
    priority: 35
    conda:
        lambda wildcards: judging_environment(*products.scoring_nli(wildcards.model))
    threads: needs.cores("generate")
    resources:
        **needs.gpus("generate"),
        one_by_one=1,
        mem_mb=needs.to_merge(3000, generates=True),
        runtime=grows(1440),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        first_seed=study.seeds[0],
        prompts=study.prompts.model_dump(),
        # By transformers: vLLM does not load model after model in one process.
        generation=study.captioning(exclude={"engine"})
        | chat_settings(study.prompts.model_dump()),
        work=f"{R}/work/search/{{model}}",
    message:
        "Searching the weights of {wildcards.model}"
    script:
        "../scripts/search_weights.py"


rule merge:
    input:
        search=lambda wildcards: paths.searches(wildcards.model),
        parents=lambda wildcards: paths.parents(wildcards.model),
        base=lambda wildcards: paths.manifest(table[wildcards.model].base),
        weights=lambda wildcards: weights(*table.merged_from(wildcards.model)),
    output:
        weights=directory(f"{R}/models/{{model}}/weights"),
        recipe=f"{R}/models/{{model}}/mergekit.yaml",
        card=f"{R}/models/{{model}}/README.md",
        manifest=paths.manifest("{model}"),
    log:
        f"{LOGS}/merge/{MODEL}.log",
    wildcard_constraints:
        model=any_of(products.kept_merges),
    priority: lambda wildcards: 30 + products.urgency[wildcards.model]
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=needs.to_merge(3000, generates=False),
        runtime=grows(120),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        work=f"{R}/work/merge/{{model}}",
    message:
        "Merging {wildcards.model}"
    script:
        "../scripts/merge.py"


# Merged weights that nothing else needs answer the test sets in the job that makes them, and are deleted with it. So
# the disk never holds more of them than there are jobs at a time.
rule merge_and_generate:
    input:
        **named("tests", paths.tests()),
        search=lambda wildcards: paths.searches(wildcards.model),
        parents=lambda wildcards: paths.parents(wildcards.model),
        base=lambda wildcards: paths.manifest(table[wildcards.model].base),
        weights=lambda wildcards: weights(*table.merged_from(wildcards.model)),
    output:
        **named("predictions", paths.predictions("{model}")),
        recipe=f"{R}/models/{{model}}/mergekit.yaml",
        card=f"{R}/models/{{model}}/README.md",
        manifest=paths.manifest("{model}"),
    log:
        f"{LOGS}/merge_and_generate/{MODEL}.log",
    wildcard_constraints:
        model=any_of(products.temporary_merges),
    priority: 20
    group:
        groups.generate
    conda:
        environment(study.generation.engine)
    threads: needs.cores("generate")
    resources:
        **needs.gpus("generate"),
        one_by_one=1,
        mem_mb=needs.to_merge(3000, generates=True),
        runtime=grows(120),
    params:
        settings=lambda wildcards: table[wildcards.model].settings,
        seed=lambda wildcards: table[wildcards.model].seed,
        work=f"{R}/work/merge/{{model}}",
        directions=products.tests,
        prompts=study.prompts.model_dump(),
        generation=study.captioning(),
        first_seed=study.seeds[0],
        cache=f"{R}/work/generate",
    message:
        "Merging {wildcards.model}, and generating with it"
    script:
        "../scripts/merge_and_generate.py"
