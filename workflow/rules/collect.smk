# Needs: the model table.
# Makes: nothing of its own; names the phases, so that a person can ask for one of them.
rule tables:
    input:
        expand(
            f"{R}/tables/{{name}}.{{kind}}",
            name=["leaderboard", *COMPARED],
            kind=KINDS,
        ),
        [file for name in study.ablations for file in ablation_files(name)],


rule data_all:
    input:
        f"{R}/data/manifest.json",


rule align_all:
    input:
        [manifest(model) for model in table.of_kind("aligned")],


rule merge_all:
    input:
        [manifest(model) for model in table.of_kind("merged")],


rule generate_all:
    input:
        [f"{R}/predictions/{model}/{test}.parquet" for model in table for test in TESTS],


rule score_all:
    input:
        [f"{R}/scores/{model}/{test}.parquet" for model in table for test in TESTS],


# How far the judges can be trusted: planted errors, agreement between judges, audit of the decomposers.
rule judge:
    input:
        f"{R}/tables/judges.md",
        f"{R}/tables/agreement.md",
        f"{R}/tables/audit.md",
