# Needs: predictions, and test sets whose answers are captions.
# Makes: nli_models/<nli>, decomposers/<name> (models that judges use), atoms/<units>/<author>/<test> (captions cut into
#        atoms, sentences, …), nli/<judge>/<author>/<test> (probabilities of every pair of units).
# An author is a model, `reference`, or one of the planted captions' two sides (see judge_validation.smk).
LOCAL_LLM = [
    name for name in study.decomposers if f"decomposers.{name}" in study.pretrained()
]
UNITS = {
    units
    for judge in JUDGES.values()
    for units in (judge.reference_units, judge.generated_units)
}


rule train_nli:
    output:
        manifest=f"{R}/nli_models/{{nli}}/manifest.json",
        weights=directory(f"{R}/nli_models/{{nli}}/weights"),
    log:
        f"{LOGS}/train_nli/{{nli}}.log",
    benchmark:
        f"{BENCH}/train_nli/{{nli}}.tsv"
    wildcard_constraints:
        nli=any_of(MADE_NLI),
    priority: 10
    conda:
        "../../envs/models.yaml"
    threads: cores("nli")
    resources:
        **gpus("nli"),
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


localrules:
    fetch_nli,
    fetch_decomposer,


rule fetch_nli:
    output:
        manifest=f"{R}/nli_models/{{nli}}/manifest.json",
    log:
        f"{LOGS}/fetch_nli/{{nli}}.log",
    benchmark:
        f"{BENCH}/fetch_nli/{{nli}}.tsv"
    wildcard_constraints:
        nli=any_of(name for name in study.nli if name not in MADE_NLI),
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
        manifest=f"{R}/decomposers/{{decomposer}}/manifest.json",
    log:
        f"{LOGS}/fetch_decomposer/{{decomposer}}.log",
    benchmark:
        f"{BENCH}/fetch_decomposer/{{decomposer}}.tsv"
    wildcard_constraints:
        decomposer=any_of(LOCAL_LLM),
    params:
        kind="decomposer",
        source=lambda wildcards: study.decomposers[wildcards.decomposer].id,
        revision=lambda wildcards: study.decomposers[wildcards.decomposer].revision,
    message:
        "Fetching the decomposer {wildcards.decomposer}"


rule decompose:
    input:
        captions=lambda wildcards: expand(
            f"{captions(wildcards.author)}/{{test}}.parquet", test=JUDGED
        ),
        model=lambda wildcards: (
            f"{R}/decomposers/{wildcards.units}/manifest.json"
            if wildcards.units in LOCAL_LLM
            else []
        ),
    output:
        expand(f"{R}/atoms/{{{{units}}}}/{{{{author}}}}/{{test}}.parquet", test=JUDGED),
    log:
        f"{LOGS}/decompose/{{units}}/{{author}}.log",
    benchmark:
        f"{BENCH}/decompose/{{units}}/{{author}}.tsv"
    wildcard_constraints:
        units=any_of(UNITS),
    group:
        decompose_group
    conda:
        lambda wildcards: env_of_models(wildcards.units in VLLM_UNITS)
    resources:
        **gpus("decompose", lambda wildcards: wildcards.units in LOCAL_LLM),
        mem_mb=holds(
            1000,
            lambda wildcards: to_load(
                "decompose", shape_of_decomposer(wildcards.units)
            ),
        ),
        runtime=grows(lambda wildcards: 240 if wildcards.units in LLM_UNITS else 5),
    params:
        settings=lambda wildcards: (
            study.decomposers[wildcards.units].model_dump()
            if wildcards.units in study.decomposers
            else None
        ),
        cache="results/store/atoms",
    message:
        "Cutting the captions of {wildcards.author} into {wildcards.units}"
    script:
        "../scripts/decompose.py"


rule nli:
    input:
        model=lambda wildcards: nli_model(JUDGES[wildcards.judge].nli),
        reference=lambda wildcards: atoms(
            JUDGES[wildcards.judge].reference_units, reference_of(wildcards.author)
        ),
        generated=lambda wildcards: atoms(
            JUDGES[wildcards.judge].generated_units, wildcards.author
        ),
    output:
        expand(f"{R}/nli/{{{{judge}}}}/{{{{author}}}}/{{test}}.parquet", test=JUDGED),
    log:
        f"{LOGS}/nli/{{judge}}/{{author}}.log",
    benchmark:
        f"{BENCH}/nli/{{judge}}/{{author}}.tsv"
    # Last of all that can run: the first NLI job takes along the pairs of every caption written by then.
    priority: -10
    group:
        nli_group
    conda:
        "../../envs/models.yaml"
    # One at a time (`nli`): two would both find the same pairs missing from the store and compute them twice. So one has
    # the machine for itself; a small model made here has no use for it.
    threads: lambda wildcards: cores("nli", 1 if JUDGES[wildcards.judge].nli in MADE_NLI else 16)
    resources:
        **gpus("nli"),
        mem_mb=grows(2500),
        runtime=grows(nli_minutes),
        nli=1,
    params:
        model=lambda wildcards: study.nli[JUDGES[wildcards.judge].nli].asked(),
        both_ways=lambda wildcards: JUDGES[wildcards.judge].both_ways,
        store="results/store/nli",
        atoms=lambda wildcards, input: str(Path(input.generated[0]).parents[1]),
    message:
        "Judging {wildcards.author} by {wildcards.judge}"
    script:
        "../scripts/nli.py"
