# Needs: manifests of the models, the leaderboard, and to upload HF_TOKEN and the config's `push`.
# Makes: cards/<model>/README.md of every adapter and merge, and pushed/<model>.json of what was uploaded.
rule card:
    input:
        manifests=lambda wildcards: [
            manifest(model) for model in table.ancestry(wildcards.model)
        ],
        data=f"{R}/data/manifest.json",
        pairs=lambda wildcards: sorted(
            {
                f"{pairs_of(model)}manifest.json"
                for model in table.ancestry(wildcards.model)
                if table[model].kind == "aligned"
            }
        ),
        leaderboard=f"{R}/tables/leaderboard.csv",
    output:
        f"{R}/cards/{{model}}/README.md",
    log:
        f"{LOGS}/card/{{model}}.log",
    benchmark:
        f"{BENCH}/card/{{model}}.tsv"
    wildcard_constraints:
        model=any_of(table.of_kind("aligned", "merged")),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        run=study.run,
        level=study.statistics.level,
    message:
        "Writing the card of {wildcards.model}"
    script:
        "../scripts/card.py"


rule cards:
    input:
        expand(
            f"{R}/cards/{{model}}/README.md", model=table.of_kind("aligned", "merged")
        ),


# Where the network is: on a cluster's head node.
localrules:
    push_model,
    push,


rule push_model:
    input:
        manifest=f"{R}/models/{{model}}/manifest.json",
        weights=lambda wildcards: weights(wildcards.model)[:1],
        card=f"{R}/cards/{{model}}/README.md",
    output:
        f"{R}/pushed/{{model}}.json",
    log:
        f"{LOGS}/push_model/{{model}}.log",
    benchmark:
        f"{BENCH}/push_model/{{model}}.tsv"
    wildcard_constraints:
        model=any_of([*table.of_kind("aligned"), *KEPT]),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(240),
    params:
        repository=lambda wildcards: study.push.repository.format(model=wildcards.model),
        private=lambda wildcards: study.push.private,
    message:
        "Uploading {wildcards.model} to {params.repository}"
    script:
        "../scripts/push.py"


rule push:
    input:
        [
            f"{R}/pushed/{model}.json"
            for model in (
                (study.push.models or [*table.of_kind("aligned"), *KEPT])
                if study.push
                else []
            )
        ],
    log:
        f"{LOGS}/push.log",
    conda:
        "../../envs/data.yaml"
    params:
        configured=study.push is not None,
    message:
        "Telling where models were uploaded to"
    script:
        "../scripts/pushed.py"
