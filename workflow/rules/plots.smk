# Needs: the tables, the logs of trainings, and what Snakemake measured of every job.
# Makes: plots/<figure>[-<test>], SVG and PNG: the figures that the study has something for (the judges' are in judge_validation.smk).
LOGGED = [
    model
    for model, row in table.items()
    if row.kind == "aligned" or row.method == "made"
]
HAS_ATOMS = any(judge.kind == "atomic" for judge in JUDGES.values())
FIGURES = {
    **({"training": {"kind": "training", "tests": []}} if LOGGED else {}),
    **({"tradeoff": {"kind": "tradeoff", "tests": JUDGED}} if HAS_ATOMS else {}),
    **{
        f"distribution-{other}": {"kind": "distribution", "tests": [JUDGED[0], other]}
        for other in JUDGED[1:]
    },
    **{
        f"{kind}-{test}": {"kind": kind, "tests": [test]}
        for kind, has_any in {
            "effects": any(row.start for row in table.values()),
            "merges": "merges" in COMPARED,
        }.items()
        for test in TESTS
        if has_any
    },
    "cost": {"kind": "cost", "tests": []},
}


# One job for all: importing the libraries takes longer than most figures. Benchmarks are no inputs: Snakemake
# writes a job's after its outputs, and a figure of times is never twice the same.
rule plots:
    input:
        tables=expand(f"{R}/tables/{{name}}.csv", name=["leaderboard", *COMPARED]),
        logs=[f"{R}/models/{model}/log.parquet" for model in LOGGED],
    output:
        [
            report(
                f"{R}/plots/{name}.{kind}",
                caption=f"../report/{figure['kind']}.rst",
                category="Figures",
                labels={"name": name, "format": kind.upper()},
            )
            for name, figure in FIGURES.items()
            for kind in ["svg", "png"]
        ],
    log:
        f"{LOGS}/plots.log",
    benchmark:
        f"{BENCH}/plots.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        figures=FIGURES,
        models=MODELS,
        level=study.statistics.level,
        options=OPTIONS,
        benchmarks=BENCH,
    message:
        "Drawing the figures"
    script:
        "../scripts/plots.py"
