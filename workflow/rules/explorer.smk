# Needs: test sets, every system's answers, units, probabilities and scores, and the tables leaderboard and comparisons.
# Makes: explorer/, static pages (index.html) that show what stands behind every figure, molecule by molecule.
rule explorer:
    input:
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=TESTS),
        predictions=expand(
            f"{R}/predictions/{{model}}/{{test}}.parquet", model=table, test=TESTS
        ),
        scores=expand(f"{R}/scores/{{model}}/{{test}}.parquet", model=table, test=TESTS),
        nli=expand(
            f"{R}/nli/{{judge}}/{{model}}/{{test}}.parquet",
            judge=JUDGES,
            model=table,
            test=JUDGED,
        ),
        units=[
            path
            for judge in JUDGES.values()
            for model in table
            for path in atoms(judge.reference_units, "reference")
            + atoms(judge.generated_units, model)
        ],
        tables=expand(f"{R}/tables/{{name}}.csv", name=["leaderboard", "comparisons"]),
    output:
        directory(f"{R}/explorer"),
    log:
        f"{LOGS}/explorer.log",
    benchmark:
        f"{BENCH}/explorer.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        study=study.model_dump(exclude=UNSEEN),
    message:
        "Building the explorer"
    script:
        "../scripts/explorer.py"
