# Needs: test sets whose answers are captions, every judge's answers on planted captions and on every model's.
# Makes: data/planted, predictions/planted (references with planted errors), judge_validation/<test> (every judge's scores of them),
#        tables/judges, tables/agreement, tables/audit, plots/judges: how far the judges can be trusted.
ATOMIC = {name: judge for name, judge in JUDGES.items() if judge.kind == "atomic"}
# What the results of judge validation depend on: another learning rate plants no error anew.
VALIDATION_DIGEST = study.digest(
    *"domain seeds data world decomposers nli judges judge_validation statistics".split()
)
AUDITED = [(author, test) for author in ["reference", *table] for test in JUDGED]


rule plant_errors:
    input:
        tests=expand(f"{R}/data/tests/{{test}}.parquet", test=JUDGED),
    output:
        references=expand(f"{R}/data/planted/{{test}}.parquet", test=JUDGED),
        captions=expand(f"{R}/predictions/planted/{{test}}.parquet", test=JUDGED),
    log:
        f"{LOGS}/plant_errors.log",
    benchmark:
        f"{BENCH}/plant_errors.tsv"
    group:
        JUDGE_VALIDATION_GROUP
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(1000),
        runtime=grows(30),
    params:
        settings=study.judge_validation.model_dump(),
        seed=study.seeds[0],
    message:
        "Planting errors into reference captions"
    script:
        "../scripts/plant_errors.py"


rule judge_validation:
    input:
        captions=expand(f"{R}/predictions/planted/{{test}}.parquet", test=JUDGED),
        nli=expand(
            f"{R}/nli/{{judge}}/planted/{{test}}.parquet", judge=JUDGES, test=JUDGED
        ),
        files=study.judge_files(),
        corpus=f"{R}/data/manifest.json",
    output:
        scores=expand(f"{R}/judge_validation/{{test}}.parquet", test=JUDGED),
        tables=[
            data_file("judges"),
            *expand(f"{R}/tables/judges.{{kind}}", kind=["md", "tex"]),
        ],
        plots=[
            report(
                f"{R}/plots/judges-{test}.{kind}",
                caption="../report/judges-plot.rst",
                category="Judges",
                labels={"name": f"Planted errors on {test}", "format": kind.upper()},
            )
            for test in JUDGED
            for kind in ["svg", "png"]
        ],
    log:
        f"{LOGS}/judge_validation.log",
    benchmark:
        f"{BENCH}/judge_validation.tsv"
    group:
        JUDGE_VALIDATION_GROUP
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        judges=OPTIONS["judges"],
        tests=JUDGED,
        statistics=study.statistics.model_dump(),
        seeds=study.seeds,
        config=f"{VALIDATION_DIGEST} (of what judges depend on)",
    message:
        "Measuring the judges on planted errors"
    script:
        "../scripts/judge_validation.py"


rule agreement:
    input:
        planted=expand(f"{R}/judge_validation/{{test}}.parquet", test=JUDGED),
        scores=expand(
            f"{R}/scores/{{model}}/{{test}}.parquet", model=table, test=JUDGED
        ),
        corpus=f"{R}/data/manifest.json",
    output:
        tables=[
            data_file("agreement"),
            *expand(f"{R}/tables/agreement.{{kind}}", kind=["md", "tex"]),
        ],
    log:
        f"{LOGS}/agreement.log",
    benchmark:
        f"{BENCH}/agreement.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        judges=OPTIONS["judges"],
        tests=JUDGED,
        statistics=study.statistics.model_dump(),
        seeds=study.seeds,
        config=DIGEST,
    message:
        "Comparing the judges with each other"
    script:
        "../scripts/agreement.py"


rule audit:
    input:
        models=[nli_model(judge.nli) for judge in ATOMIC.values()],
        captions=[f"{captions(author)}/{test}.parquet" for author, test in AUDITED],
        atoms=[
            f"{R}/atoms/{judge.decomposer}/{author}/{test}.parquet"
            for judge in ATOMIC.values()
            for author, test in AUDITED
        ],
        corpus=f"{R}/data/manifest.json",
    output:
        tables=[
            data_file("audit"),
            *expand(f"{R}/tables/audit.{{kind}}", kind=["md", "tex"]),
        ],
    log:
        f"{LOGS}/audit.log",
    benchmark:
        f"{BENCH}/audit.tsv"
    conda:
        "../../envs/models.yaml"
    threads: cores("nli")
    resources:
        **gpus("nli"),
        mem_mb=grows(2500),
        runtime=grows(240),
        nli=1,
    params:
        judges={
            name: {"nli": judge.nli, "decomposer": judge.decomposer}
            for name, judge in ATOMIC.items()
        },
        nli={name: model.asked() for name, model in study.nli.items()},
        captions=AUDITED,
        sample=study.judge_validation.molecules,
        store="results/store/nli",
        seeds=study.seeds,
        config=DIGEST,
    message:
        "Auditing the decomposers"
    script:
        "../scripts/audit.py"
