# Needs: the answers of every model, and test sets whose answers are captions.
# Makes: nli_models/<nli> and decomposers/<name> (models that judges use), atoms/<units>/<author>/<test> (captions cut
#        into atoms, sentences, …), nli/<judge>/<author>/<test> (the probabilities of every pair of units),
#        verdicts/<judge>/<author>/<test> (a verdict on every unit, by judges that ask no NLI model),
#        licences/<judge>.json (can the judge's NLI model read the references?).
# An author is a model, `reference`, or one of two sets of captions with planted errors (judge_validation.smk):
# `planted`, and `planted-reference`, which they are judged against.
rule train_nli:
    output:
        manifest=paths.nli_model("{nli}"),
        weights=directory(f"{R}/nli_models/{{nli}}/weights"),
    log:
        f"{LOGS}/train_nli/{{nli}}.log",
    wildcard_constraints:
        nli=any_of(products.nli_made_by("train_nli")),
    priority: 10
    conda:
        "../../envs/models.yaml"
    threads: needs.cores("nli")
    resources:
        **needs.gpus("nli"),
        mem_mb=grows(2500),
        runtime=grows(60),
    params:
        settings=lambda wildcards: study.nli[wildcards.nli].model_dump(),
        domain=study.domain,
        seed=study.seeds[0],
    message:
        "Training the NLI model {wildcards.nli}"
    script:
        "../scripts/train_nli.py"


rule adapt_nli:
    input:
        **named("tests", paths.tests()),
        parent=lambda wildcards: paths.nli_model(study.nli[wildcards.nli].parent),
        weights=lambda wildcards: [
            ancient(folder)
            for folder in paths.nli_weights(study.nli[wildcards.nli].parent)
        ],
        corpus=lambda wildcards: paths.nli_training(wildcards.nli),
        general=lambda wildcards: study.nli[wildcards.nli].general or [],
    output:
        manifest=paths.nli_model("{nli}"),
        weights=directory(f"{R}/nli_models/{{nli}}/weights"),
    log:
        f"{LOGS}/adapt_nli/{{nli}}.log",
    wildcard_constraints:
        nli=any_of(products.nli_made_by("adapt_nli")),
    priority: 10
    conda:
        "../../envs/models.yaml"
    threads: needs.cores("nli", without=4)
    resources:
        **needs.gpus("nli"),
        mem_mb=needs.to_adapt(2500),
        runtime=grows(120),
    params:
        settings=lambda wildcards: study.nli[wildcards.nli].training(),
        labels=lambda wildcards: study.nli[study.nli[wildcards.nli].parent]
        .asked()
        .get("labels"),
        domain=study.domain,
        leakage=study.data.leakage,
        seed=study.seeds[0],
    message:
        "Adapting the NLI model {wildcards.nli} to the training captions"
    script:
        "../scripts/adapt_nli.py"


localrules:
    fetch_nli,
    fetch_decomposer,
    fetch_text_model,


rule fetch_nli:
    output:
        manifest=paths.nli_model("{nli}"),
    log:
        f"{LOGS}/fetch_nli/{{nli}}.log",
    wildcard_constraints:
        nli=any_of(products.nli_made_by("fetch_nli")),
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(240),
    params:
        kind="nli",
        source=lambda wildcards: study.nli[wildcards.nli].id,
        revision=lambda wildcards: study.nli[wildcards.nli].revision,
    message:
        "Fetching the NLI model {wildcards.nli}"
    script:
        "../scripts/fetch.py"


use rule fetch_nli as fetch_decomposer with:
    output:
        manifest=paths.decomposer("{decomposer}"),
    log:
        f"{LOGS}/fetch_decomposer/{{decomposer}}.log",
    wildcard_constraints:
        decomposer=any_of(products.local_decomposers),
    params:
        kind="decomposer",
        source=lambda wildcards: study.decomposers[wildcards.decomposer].id,
        revision=lambda wildcards: study.decomposers[wildcards.decomposer].revision,
    message:
        "Fetching the decomposer {wildcards.decomposer}"


use rule fetch_nli as fetch_text_model with:
    output:
        manifest=f"{R}/text_models/{{metric}}/manifest.json",
    log:
        f"{LOGS}/fetch_text_model/{{metric}}.log",
    wildcard_constraints:
        metric="text2mol",
    params:
        kind="text",
        source=lambda wildcards: study.metrics.text2mol.text_model,
        revision=lambda wildcards: study.metrics.text2mol.revision,
    message:
        "Fetching the text encoder of {wildcards.metric}"


rule decompose:
    input:
        unpack(lambda wildcards: named("captions", paths.captions(wildcards.author))),
        model=lambda wildcards: (
            paths.decomposer(wildcards.units)
            if wildcards.units in products.local_decomposers
            else []
        ),
    output:
        **named("units", paths.units("{units}", "{author}")),
    log:
        f"{LOGS}/decompose/{{units}}/{AUTHOR}.log",
    wildcard_constraints:
        units=any_of(products.units),
    group:
        groups.decompose
    conda:
        lambda wildcards: f"../../envs/{products.environment_of(wildcards.units)}.yaml"
    resources:
        **needs.gpus(
            "decompose",
            lambda wildcards: wildcards.units in products.local_decomposers,
        ),
        mem_mb=needs.to_decompose(1000),
        runtime=grows(needs.decompose_minutes),
    params:
        settings=lambda wildcards: (
            study.decomposers[wildcards.units].model_dump()
            if wildcards.units in study.decomposers
            else None
        ),
        cache=ATOMS_CACHE,
    message:
        "Splitting the captions of {wildcards.author} into units ({wildcards.units})"
    script:
        "../scripts/decompose.py"


rule nli:
    input:
        unpack(
            lambda wildcards: {
                **named(
                    "reference",
                    paths.reference_units(wildcards.judge, wildcards.author),
                ),
                **named(
                    "generated",
                    paths.generated_units(wildcards.judge, wildcards.author),
                ),
                **named("texts", paths.whole_texts(wildcards.judge, wildcards.author)),
            }
        ),
        model=lambda wildcards: paths.nli_model(
            products.nli_judges[wildcards.judge].nli
        ),
        weights=lambda wildcards: [
            ancient(folder)
            for folder in paths.nli_weights(products.nli_judges[wildcards.judge].nli)
        ],
    output:
        **named("nli", paths.nli("{judge}", "{author}")),
    log:
        f"{LOGS}/nli/{{judge}}/{AUTHOR}.log",
    # These jobs run last: one that computes anything also computes the pairs of all captions that are there already.
    # Jobs at the same time share the work.
    priority: -10
    group:
        groups.nli
    conda:
        lambda wildcards: judging_environment(products.nli_judges[wildcards.judge].nli)
    threads: lambda wildcards: needs.nli_cores(wildcards.judge)
    resources:
        **needs.gpus("nli"),
        mem_mb=needs.to_judge(2500),
        runtime=grows(needs.nli_minutes),
        one_by_one=1,
    params:
        model=lambda wildcards: study.nli[
            products.nli_judges[wildcards.judge].nli
        ].asked(),
        asking=lambda wildcards: products.nli_judges[wildcards.judge].asking,
        store=NLI_CACHE,
        # With `input` among its arguments, Snakemake does not compare it with that of earlier results.
        atoms=lambda wildcards, input: f"{paths.atoms}/{products.judges[wildcards.judge].generated_units}",
    message:
        "Judging {wildcards.author} by {wildcards.judge}"
    script:
        "../scripts/nli.py"


rule judge_licence:
    input:
        unpack(
            lambda wildcards: named(
                "units",
                paths.units(
                    products.judges[wildcards.judge].generated_units, "reference"
                ),
            )
        ),
        **named("tests", paths.tests(judged=True)),
        model=lambda wildcards: paths.nli_model(
            products.nli_judges[wildcards.judge].nli
        ),
        weights=lambda wildcards: [
            ancient(folder)
            for folder in paths.nli_weights(products.nli_judges[wildcards.judge].nli)
        ],
    output:
        licence=paths.licence("{judge}"),
    log:
        f"{LOGS}/judge_licence/{{judge}}.log",
    # Before models are trained: with `licence.strict` a study stops here.
    priority: 20
    group:
        groups.licence
    conda:
        lambda wildcards: judging_environment(products.nli_judges[wildcards.judge].nli)
    threads: lambda wildcards: needs.nli_cores(wildcards.judge)
    resources:
        **needs.gpus("nli"),
        mem_mb=needs.to_judge(2500),
        runtime=grows(needs.nli_minutes),
        one_by_one=1,
    params:
        model=lambda wildcards: study.nli[
            products.nli_judges[wildcards.judge].nli
        ].asked(),
        judge=lambda wildcards: products.judges[wildcards.judge].model_dump(),
        strict=study.licence.strict,
        store=NLI_CACHE,
    message:
        "Checking whether {wildcards.judge} can read the references"
    script:
        "../scripts/judge_licence.py"


rule verdicts:
    input:
        unpack(
            lambda wildcards: {
                **named("captions", paths.captions(wildcards.author)),
                **named(
                    "references",
                    paths.captions(paths.reference_of(wildcards.author)),
                ),
                **named(
                    "reference_units",
                    paths.reference_units(wildcards.judge, wildcards.author),
                ),
                **named(
                    "generated_units",
                    paths.generated_units(wildcards.judge, wildcards.author),
                ),
            }
        ),
    output:
        **named("verdicts", paths.verdicts("{judge}", "{author}")),
    log:
        f"{LOGS}/verdicts/{{judge}}/{AUTHOR}.log",
    group:
        groups.verdicts
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=grows(1500),
        runtime=grows(needs.verdict_minutes),
    params:
        settings=lambda wildcards: products.judges[wildcards.judge].model_dump(),
        cache=VERDICTS_CACHE,
    message:
        "Judging {wildcards.author} by {wildcards.judge}"
    script:
        "../scripts/verdicts.py"
