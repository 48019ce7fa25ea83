# Needs: predictions, test sets, and for captions the atom x atom probabilities.
# Makes: scores/<model>/<test>.parquet (one row a caption, every metric), and from all of them the tables
#        comparisons, leaderboard and as the study has them merges, alignments and seeds (CSV, Markdown, LaTeX).
OPTIONS = {
    "judges": {name: judge.model_dump() for name, judge in JUDGES.items()},
    "domain": study.domain,
    **study.metrics.options(),
}
TEXT2MOL = JUDGED if study.metrics.text2mol else []
MODELS = {
    model: {
        "kind": row.kind,
        "parents": list(row.parents),
        "method": row.method,
        "seed": row.seed,
        "start": row.start,
        "unseeded": row.unseeded,
    }
    for model, row in table.items()
}


rule score:
    input:
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TESTS),
        predictions=expand(
            f"{R}/predictions/{{{{model}}}}/{{test}}.parquet", test=TESTS
        ),
        nli=expand(
            f"{R}/nli/{{judge}}/{{{{model}}}}/{{test}}.parquet",
            judge=JUDGES,
            test=JUDGED,
        ),
        text2mol=expand(f"{R}/text2mol/{{{{model}}}}/{{test}}.parquet", test=TEXT2MOL),
        files=[*study.metrics.files().values(), *study.judge_files()],
    output:
        expand(f"{R}/scores/{{{{model}}}}/{{test}}.parquet", test=TESTS),
    log:
        f"{LOGS}/score/{{model}}.log",
    benchmark:
        f"{BENCH}/score/{{model}}.tsv"
    group:
        "judge"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1500),
        runtime=grows(10),
    params:
        directions=DIRECTIONS,
        options=OPTIONS,
    message:
        "Scoring {wildcards.model}"
    script:
        "../scripts/score.py"


localrules:
    fetch_text_model,


use rule fetch_nli as fetch_text_model with:
    output:
        manifest=f"{R}/text_models/{{metric}}/manifest.json",
    log:
        f"{LOGS}/fetch_text_model/{{metric}}.log",
    benchmark:
        f"{BENCH}/fetch_text_model/{{metric}}.tsv"
    wildcard_constraints:
        metric="text2mol",
    params:
        kind="text",
        source=lambda wildcards: study.metrics.text2mol.text_model,
        revision=lambda wildcards: study.metrics.text2mol.revision,
    message:
        "Fetching the text encoder of {wildcards.metric}"


rule text2mol:
    input:
        text_model=f"{R}/text_models/text2mol/manifest.json",
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TEXT2MOL),
        predictions=expand(
            f"{R}/predictions/{{{{model}}}}/{{test}}.parquet", test=TEXT2MOL
        ),
        files=[*study.metrics.files().values()],
    output:
        expand(f"{R}/text2mol/{{{{model}}}}/{{test}}.parquet", test=TEXT2MOL),
    log:
        f"{LOGS}/text2mol/{{model}}.log",
    benchmark:
        f"{BENCH}/text2mol/{{model}}.tsv"
    group:
        "judge"
    conda:
        "../../envs/models.yaml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(120),
    params:
        settings=study.metrics.model_dump()["text2mol"],
    message:
        "Measuring Text2Mol of {wildcards.model}"
    script:
        "../scripts/text2mol.py"


rule comparisons:
    input:
        scores=expand(f"{R}/scores/{{model}}/{{test}}.parquet", model=table, test=TESTS),
        corpus=f"{R}/data/manifest.json",
        manifests=[manifest(model) for model in table],
    output:
        [data_file(name) for name in COMPARED],
        expand(f"{R}/tables/{{name}}.{{kind}}", name=COMPARED, kind=["md", "tex"]),
    log:
        f"{LOGS}/comparisons.log",
    benchmark:
        f"{BENCH}/comparisons.tsv"
    group:
        "judge"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        models=MODELS,
        tests=DIRECTIONS,
        statistics=study.statistics.model_dump(),
        seeds=study.seeds,
        config=DIGEST,
        options=OPTIONS,
        scores=lambda wildcards, input: str(Path(input.scores[0]).parents[1]),
    message:
        "Comparing the models"
    script:
        "../scripts/comparisons.py"


rule leaderboard:
    input:
        scores=expand(f"{R}/scores/{{model}}/{{test}}.parquet", model=table, test=TESTS),
        corpus=f"{R}/data/manifest.json",
        manifests=[manifest(model) for model in table],
        comparisons=f"{R}/tables/comparisons.csv",
    output:
        data_file("leaderboard"),
        expand(f"{R}/tables/leaderboard.{{kind}}", kind=["md", "tex"]),
    log:
        f"{LOGS}/leaderboard.log",
    benchmark:
        f"{BENCH}/leaderboard.tsv"
    group:
        "judge"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        models=MODELS,
        tests=DIRECTIONS,
        statistics=study.statistics.model_dump(),
        seeds=study.seeds,
        config=DIGEST,
        options=OPTIONS,
        scores=lambda wildcards, input: str(Path(input.scores[0]).parents[1]),
    message:
        "Putting the leaderboard together"
    script:
        "../scripts/leaderboard.py"
