# Needs: predictions and test sets whose answers are captions.
# Makes: judge/nli (the NLI model), atoms/<model or reference>/<test>, nli/<model>/<test> (atom x atom probabilities).
rule nli_model:
    output:
        manifest=f"{R}/judge/nli/manifest.json",
        weights=(
            directory(f"{R}/judge/nli/weights")
            if study.judge.model.kind == "made"
            else []
        ),
    log:
        f"{LOGS}/nli_model.log",
    benchmark:
        f"{BENCH}/nli_model.tsv"
    priority: 10
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=2500,
        runtime=60,
    params:
        settings=study.judge.model.model_dump(),
        seed=study.seeds[0],
    message:
        "Making the NLI model ready"
    script:
        "../scripts/nli_model.py"


rule decompose:
    input:
        captions=lambda wildcards: expand(
            (
                f"{R}/data/tests/{{test}}.parquet"
                if wildcards.author == "reference"
                else f"{R}/predictions/{wildcards.author}/{{test}}.parquet"
            ),
            test=JUDGED,
        ),
    output:
        expand(f"{R}/atoms/{{{{author}}}}/{{test}}.parquet", test=JUDGED),
    log:
        f"{LOGS}/decompose/{{author}}.log",
    benchmark:
        f"{BENCH}/decompose/{{author}}.tsv"
    wildcard_constraints:
        author=any_of([*table, "reference"]),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        settings=study.decompose.model_dump(),
    message:
        "Splitting the captions of {wildcards.author} into atoms"
    script:
        "../scripts/decompose.py"


rule nli:
    input:
        model=f"{R}/judge/nli/manifest.json",
        weights=(
            ancient(f"{R}/judge/nli/weights")
            if study.judge.model.kind == "made"
            else []
        ),
        reference=expand(f"{R}/atoms/reference/{{test}}.parquet", test=JUDGED),
        generated=expand(f"{R}/atoms/{{{{model}}}}/{{test}}.parquet", test=JUDGED),
    output:
        expand(f"{R}/nli/{{{{model}}}}/{{test}}.parquet", test=JUDGED),
    log:
        f"{LOGS}/nli/{{model}}.log",
    benchmark:
        f"{BENCH}/nli/{{model}}.tsv"
    # Last of all that can run: the first NLI job takes along the pairs of every caption written by then.
    priority: -10
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=2500,
        runtime=240,
        # One at a time: two jobs would both find the same pairs missing from the store and compute them twice.
        nli=1,
    params:
        max_length=study.judge.max_length,
        batch_tokens=study.judge.batch_tokens,
        store="results/store/nli",
        atoms=lambda wildcards, input: str(Path(input.generated[0]).parents[1]),
    message:
        "Judging the atoms of {wildcards.model}"
    script:
        "../scripts/nli.py"
