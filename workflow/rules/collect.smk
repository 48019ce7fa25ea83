# Needs: the model table.
# Makes: nothing of its own. Each rule is a target by which a person asks for one phase.
rule tables:
    input:
        paths.tables(*products.main_tables),
        [file for name in study.ablations for file in paths.ablation(name)],


rule data_all:
    input:
        f"{R}/data/manifest.json",


rule align_all:
    input:
        paths.manifests(table.of_kind("aligned")).values(),


rule merge_all:
    input:
        paths.manifests(table.of_kind("merged")).values(),


rule generate_all:
    input:
        [file for model in table for file in paths.predictions(model).values()],


rule score_all:
    input:
        [file for model in table for file in paths.scores(model).values()],


# How far the judges can be trusted: planted errors, agreement between judges, audit of the decomposers.
rule judge:
    input:
        paths.tables(*VALIDATION, kinds=["md"]),
