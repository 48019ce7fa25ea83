# Needs: predictions, test sets, and for captions the atom x atom probabilities.
# Makes: scores/<model>/<test>.parquet (one row a caption, every metric) and tables/leaderboard.{csv,md}.
OPTIONS = {
    **study.metrics.model_dump(),
    "operation": study.judge.operation,
    "domain": study.domain,
}


rule score:
    input:
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TESTS),
        predictions=expand(
            f"{R}/predictions/{{{{model}}}}/{{test}}.parquet", test=TESTS
        ),
        nli=expand(f"{R}/nli/{{{{model}}}}/{{test}}.parquet", test=JUDGED),
        files=[
            path for path in (study.metrics.vocabulary, study.metrics.wordnet) if path
        ],
    output:
        expand(f"{R}/scores/{{{{model}}}}/{{test}}.parquet", test=TESTS),
    log:
        f"{LOGS}/score/{{model}}.log",
    benchmark:
        f"{BENCH}/score/{{model}}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        directions={name: test.direction for name, test in study.data.tests.items()},
        judged=JUDGED,
        options=OPTIONS,
    message:
        "Scoring {wildcards.model}"
    script:
        "../scripts/score.py"


rule leaderboard:
    input:
        scores=expand(f"{R}/scores/{{model}}/{{test}}.parquet", model=table, test=TESTS),
    output:
        csv=f"{R}/tables/leaderboard.csv",
        markdown=f"{R}/tables/leaderboard.md",
    log:
        f"{LOGS}/leaderboard.log",
    benchmark:
        f"{BENCH}/leaderboard.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        models={
            model: {
                "kind": row.kind,
                "parents": list(row.parents),
                "method": row.method,
                "seed": row.seed,
            }
            for model, row in table.items()
        },
        tests={name: test.direction for name, test in study.data.tests.items()},
        statistics=study.statistics.model_dump(),
        seed=study.seeds[0],
        options=OPTIONS,
        scores=lambda wildcards, input: str(Path(input.scores[0]).parents[1]),
    message:
        "Putting the leaderboard together"
    script:
        "../scripts/leaderboard.py"
