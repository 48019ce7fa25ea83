# Needs: the sources of `data` and `preferences` (demo, files or hub).
# Makes: data/train (for initial models), data/subset (for alignment), data/validation, data/tests/*, and
#        preferences/pairs with their counts in a manifest. Every further corpus has the same tables below
#        corpora/<corpus>/. The pairs of other shares than the study's are in share-<share>/, and those whose rejected
#        texts a start wrote itself in by-<start>/.
#        If nothing is trained (captions from elsewhere), there are only test sets.
rule world:
    output:
        world=f"{R}/data/world.parquet",
    log:
        f"{LOGS}/world.log",
    group:
        groups.data
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        molecules=study.world.molecules,
        domain=study.domain,
        seed=study.seeds[0],
    message:
        "Building {params.molecules} molecules and their captions"
    script:
        "../scripts/world.py"


if groups.from_hub:

    localrules:
        corpus,


rule corpus:
    input:
        world=f"{R}/data/world.parquet" if study.uses_world() else [],
        files=[source.path for source in study.sources() if source.kind == "file"],
        properties=study.metrics.files().get("metrics.properties.molecules", []),
    output:
        **named("splits", paths.splits()),
        **named("tests", paths.tests()),
        manifest=f"{R}/data/manifest.json",
    log:
        f"{LOGS}/corpus.log",
    group:
        groups.data
    conda:
        "../../envs/data.yaml"
    # Molecules of large sources are divided between processes.
    threads: 4 if any(source.kind != "demo" for source in study.sources()) else 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        data=study.data.model_dump(),
        domain=study.domain,
        seed=study.seeds[0],
        shares=study.shares(),
    message:
        "Reading, cleaning and splitting the corpus"
    script:
        "../scripts/corpus.py"


rule generate_rejected:
    input:
        manifest=lambda wildcards: paths.manifest(rejecting_model(wildcards)),
        weights=lambda wildcards: weights(rejecting_model(wildcards)),
        subset=f"{R}/data/{{corpus}}subset.parquet",
        validation=f"{R}/data/{{corpus}}validation.parquet",
    output:
        rejected=f"{R}/preferences/{{corpus}}{{author_folder}}rejected.{{direction}}.parquet",
    log:
        f"{LOGS}/generate_rejected/{{corpus}}{{author_folder}}{{direction}}.log",
    wildcard_constraints:
        author_folder=f"(by-({any_of(products.on_policy_starts)})/)?",
    conda:
        environment(study.generation.engine)
    threads: needs.cores("reject")
    resources:
        **needs.gpus("reject"),
        mem_mb=needs.to_load(
            "reject",
            4000,
            rejecting_model,
        ),
        runtime=grows(240),
    params:
        settings=lambda wildcards: study.rejecting()
        | chat_settings(table[rejecting_model(wildcards)].prompts(study.prompts)),
        template=lambda wildcards: table[rejecting_model(wildcards)].prompts(
            study.prompts
        )[wildcards.direction],
        seed=study.seeds[0],
        cache=f"{R}/work/generate",
    message:
        "Writing rejected texts, {wildcards.direction}"
    script:
        "../scripts/generate_rejected.py"


# Pairs of a start's own captions, for an alignment with `rejected: {kind: judged}`.
rule sample_pairs:
    input:
        manifest=lambda wildcards: paths.manifest(table[wildcards.model].parents[0]),
        weights=lambda wildcards: weights(table[wildcards.model].parents[0]),
        subset=f"{R}/data/{{corpus}}subset.parquet",
        validation=f"{R}/data/{{corpus}}validation.parquet",
        nli=lambda wildcards: [
            paths.nli_model(name) for name in products.nli_of_pairs(wildcards.model)
        ],
        nli_weights=lambda wildcards: [
            ancient(folder)
            for name in products.nli_of_pairs(wildcards.model)
            for folder in paths.nli_weights(name)
        ],
        metric_files=list(study.metrics.files().values()),
    output:
        samples=f"{R}/preferences/{{corpus}}judged-{{model}}/rejected.mol2cap.parquet",
    log:
        f"{LOGS}/sample_pairs/{{corpus}}{MODEL}.log",
    conda:
        environment(study.generation.engine)
    threads: needs.cores("reject")
    resources:
        **needs.gpus("reject"),
        mem_mb=needs.to_load(
            "reject", 4000, lambda wildcards: table[wildcards.model].parents[0]
        ),
        runtime=grows(240),
    params:
        judged=lambda wildcards: table[wildcards.model].settings["rejected"],
        settings=lambda wildcards: study.captioning()
        | chat_settings(
            table[table[wildcards.model].parents[0]].prompts(study.prompts)
        ),
        template=lambda wildcards: table[table[wildcards.model].parents[0]].prompts(
            study.prompts
        )["mol2cap"],
        seed=lambda wildcards: table[wildcards.model].seed,
        cache=f"{R}/work/generate",
    message:
        "Sampling and judging captions for the pairs of {wildcards.model}"
    script:
        "../scripts/sample_pairs.py"


rule pairs:
    input:
        **named(
            "rejected",
            {
                direction: lambda wildcards, direction=direction: paths.rejected(
                    wildcards.corpus, wildcards.author_folder
                ).get(direction, [])
                for direction in study.directions()
            },
        ),
        subset=f"{R}/data/{{corpus}}subset.parquet",
        validation=f"{R}/data/{{corpus}}validation.parquet",
    output:
        pairs=f"{R}/preferences/{{corpus}}{{author_folder}}{{share}}pairs.parquet",
        manifest=f"{R}/preferences/{{corpus}}{{author_folder}}{{share}}manifest.json",
    log:
        f"{LOGS}/{{corpus}}{{author_folder}}{{share}}pairs.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        rejected=lambda wildcards: products.rejected_sources(wildcards.author_folder),
        prompts=study.prompts.model_dump(),
        domain=study.domain,
        share=lambda wildcards: float(
            wildcards.share.removeprefix("share-").rstrip("/")
            or study.data.subset.fraction
        ),
    message:
        "Pairing references with rejected texts"
    script:
        "../scripts/pairs.py"
