# Needs: the sources of `data` and `preferences` (demo, files or hub).
# Makes: data/train (what initial models see), data/subset (what alignment sees), data/validation, data/tests/*,
#        preferences/pairs with their counts in a manifest. Further corpora have the same below corpora/<corpus>/, and
#        the pairs of other shares than the study's lie in share-<share>/.
# Where nothing is trained (captions from elsewhere), there are test sets only.
SPLITS = ["train", "subset", "validation"] if study.data.train else []
PROPERTIES = study.metrics.files().get("metrics.properties.molecules")


rule world:
    output:
        f"{R}/data/world.parquet",
    log:
        f"{LOGS}/world.log",
    benchmark:
        f"{BENCH}/world.tsv"
    group:
        DATA_GROUP
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


if FROM_HUB:

    localrules:
        corpus,


rule corpus:
    input:
        world=f"{R}/data/world.parquet" if study.uses_world() else [],
        files=[source.path for source in study.sources() if source.kind == "file"],
        properties=PROPERTIES or [],
    output:
        splits=[
            f"{R}/data/{corpus}{split}.parquet"
            for corpus in ["", *(f"corpora/{name}/" for name in study.data.corpora)]
            for split in SPLITS
        ],
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TESTS),
        manifest=f"{R}/data/manifest.json",
    log:
        f"{LOGS}/corpus.log",
    benchmark:
        f"{BENCH}/corpus.tsv"
    group:
        DATA_GROUP
    conda:
        "../../envs/data.yaml"
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
        manifest=lambda wildcards: manifest(study.rejected()[wildcards.direction].model),
        weights=lambda wildcards: weights(study.rejected()[wildcards.direction].model),
        rows=expand(
            f"{R}/data/{{{{corpus}}}}{{split}}.parquet", split=["subset", "validation"]
        ),
    output:
        f"{R}/preferences/{{corpus}}rejected.{{direction}}.parquet",
    log:
        f"{LOGS}/generate_rejected/{{corpus}}{{direction}}.log",
    benchmark:
        f"{BENCH}/generate_rejected/{{corpus}}{{direction}}.tsv"
    conda:
        env_of_models(BY_VLLM)
    threads: cores("reject")
    resources:
        **gpus("reject"),
        mem_mb=holds(
            4000,
            lambda wildcards: to_load(
                "reject", shape_of(study.rejected()[wildcards.direction].model)
            ),
        ),
        runtime=grows(240),
    params:
        settings=study.generation.model_dump(),
        template=lambda wildcards: table[
            study.rejected()[wildcards.direction].model
        ].prompts(study.prompts)[wildcards.direction],
        seed=study.seeds[0],
        cache=f"{R}/work/generate",
    message:
        "Writing rejected texts, {wildcards.direction}"
    script:
        "../scripts/generate_rejected.py"


rule pairs:
    input:
        subset=f"{R}/data/{{corpus}}subset.parquet",
        validation=f"{R}/data/{{corpus}}validation.parquet",
        rejected=[
            (
                source.path
                if source.kind == "file"
                else f"{R}/preferences/{{corpus}}rejected.{direction}.parquet"
            )
            for direction, source in study.rejected().items()
        ],
    output:
        pairs=f"{R}/preferences/{{corpus}}{{share}}pairs.parquet",
        manifest=f"{R}/preferences/{{corpus}}{{share}}manifest.json",
    log:
        f"{LOGS}/{{corpus}}{{share}}pairs.log",
    benchmark:
        f"{BENCH}/{{corpus}}{{share}}pairs.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(20),
    params:
        rejected={
            direction: source.model_dump()
            for direction, source in study.rejected().items()
        },
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
