# Needs: manifests of the models and the leaderboard; to upload, HF_TOKEN and the config's `push`.
# Makes: cards/<model>/README.md of every adapter and merge, and pushed/<model>.json for every model that was uploaded.
rule card:
    input:
        unpack(
            lambda wildcards: named(
                "manifests", paths.manifests(table.ancestry(wildcards.model))
            )
        ),
        data=f"{R}/data/manifest.json",
        pairs=lambda wildcards: sorted(
            {
                f"{paths.pairs(model)}manifest.json"
                for model in table.ancestry(wildcards.model)
                if table[model].kind == "aligned"
            }
        ),
        leaderboard=f"{R}/tables/leaderboard.csv",
    output:
        card=f"{R}/cards/{{model}}/README.md",
    log:
        f"{LOGS}/card/{MODEL}.log",
    wildcard_constraints:
        model=any_of(table.of_kind("aligned", "merged")),
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        run=study.run,
        manifests=lambda wildcards, input: f"{R}/models",
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


# These run beside Snakemake itself: compute nodes often have no network.
localrules:
    push_model,
    push,


rule push_model:
    input:
        manifest=paths.manifest("{model}"),
        weights=lambda wildcards: weights(wildcards.model)[:1],
        card=f"{R}/cards/{{model}}/README.md",
    output:
        pushed=f"{R}/pushed/{{model}}.json",
    log:
        f"{LOGS}/push_model/{MODEL}.log",
    wildcard_constraints:
        model=any_of(products.uploadable),
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
        expand(f"{R}/pushed/{{model}}.json", model=products.uploaded),
    log:
        f"{LOGS}/push.log",
    conda:
        "../../envs/data.yaml"
    params:
        configured=study.push is not None,
    message:
        "Listing where the models were uploaded to"
    script:
        "../scripts/list_pushed.py"
