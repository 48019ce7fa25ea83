"""The real graph at micro size: to the table, again, after a change, after a loss."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from molmix.config import loading
from molmix.core.files import read_json, read_table
from molmix.pipeline import model_table
from molmix.pipeline.plan.disk import held
from molmix.pipeline.plan.shapes import sizes
from tests.docs.files import absent, undocumented
from tests.graph.test_dry_runs import planned

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(tmp_path_factory, snakemake, micro) -> Path:
    """A folder in which the micro study was run."""
    folder = tmp_path_factory.mktemp("micro")
    run = snakemake(folder, study=micro)
    assert run.returncode == 0, run.stdout
    return folder


def scores_of(done: Path, model: str) -> Path:
    return done / f"results/micro/scores/{model}/id.parquet"


def test_the_leaderboard_holds_every_model_with_finite_scores(done: Path, micro) -> None:
    board = pd.read_csv(done / "results/micro/tables/leaderboard.csv")
    models = set(model_table.build(loading.parse(micro)))
    captions = board[board["test"] == "id"].set_index("model")
    assert set(captions.index) == models
    silent = {model for model in models if not any(read_table(scores_of(done, model))["n_generated"].to_pylist())}
    assert silent < models  # some of them write nothing that is a statement
    for metric in ("hallucination", "unsupported", "coverage", "bleu2", "bleu4", "rougeL", "meteor", "f1"):
        known = captions[captions[metric].notna()]
        assert set(known.index) == (models - silent if metric in ("hallucination", "unsupported") else models), metric
        assert (known[f"{metric}_low"] <= known[metric]).all()
        assert (known[metric] <= known[f"{metric}_high"]).all()
    molecules = board[board["test"] == "back"].set_index("model")
    assert set(molecules.index) == models
    assert molecules[["valid", "exact", "levenshtein"]].notna().all().all()
    assert molecules["coverage"].isna().all()
    assert (captions["captions"] == 8).all()


def test_a_run_with_nothing_to_do_does_nothing(done: Path, snakemake, micro) -> None:
    again = snakemake(done, study=micro)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout


def test_a_learning_rate_reruns_its_method_its_merges_and_what_follows(done: Path, snakemake, micro) -> None:
    micro["align"]["sft"]["settings"] = {"learning_rate": 1.5e-4}
    try:
        listed = snakemake(done, "-n", study=micro)
    finally:
        del micro["align"]["sft"]["settings"]
    # mol2cap.sft, and its three merges with mol2cap.dpo.
    assert planned(listed.stdout) == {
        "align": 1,
        "merge_and_generate": 3,
        "generate": 1,
        "decompose": 4,
        "nli": 4,
        "score": 4,
        "comparisons": 1,
        "leaderboard": 1,
        "plots": 1,
        "all": 1,
    }
    assert ".cpo" not in listed.stdout.partition("Job stats")[0].replace("leaderboard", "").split("Putting")[0]


def test_one_lost_score_rebuilds_that_branch_alone(done: Path, snakemake, micro) -> None:
    path = "results/micro/scores/mol2cap.sft_dpo.ties/id.parquet"
    before = (done / path).read_bytes()
    (done / path).unlink()
    run = snakemake(done, path, study=micro)
    assert run.returncode == 0, run.stdout
    assert planned(run.stdout) == {"score": 1}
    assert (done / path).read_bytes() == before


def test_lost_predictions_of_a_merge_come_back_the_same(done: Path, snakemake, micro) -> None:
    path = done / "results/micro/predictions/mol2cap.sft_dpo.slerp/id.parquet"
    before = read_table(path).to_pylist()
    shutil.rmtree(done / "results/micro/work/generate")
    path.unlink()
    run = snakemake(done, str(path.relative_to(done)), study=micro)
    assert run.returncode == 0, run.stdout
    assert planned(run.stdout) == {"merge_and_generate": 1}
    assert read_table(path).to_pylist() == before


def test_merged_weights_do_not_outlive_their_job_and_starts_are_kept(done: Path) -> None:
    models = done / "results/micro/models"
    assert not (models / "mol2cap.sft_dpo.ties/weights").exists()
    assert (models / "both.slerp/weights/model.safetensors").is_file()
    assert (models / "mol2cap.sft/adapter/adapter_model.safetensors").is_file()


def test_two_runs_with_one_seed_give_identical_predictions(done: Path, tmp_path: Path, snakemake, micro) -> None:
    targets = [f"results/micro/predictions/{m}/id.parquet" for m in ("mol2cap.sft", "both.slerp.kto")]
    run = snakemake(tmp_path, *targets, study=micro)
    assert run.returncode == 0, run.stdout
    for target in targets:
        assert read_table(done / target).to_pylist() == read_table(tmp_path / target).to_pylist()


# What the docs name and a run like this one has nothing for: see tests/graph/test_score.py for most of it.
NOT_HERE = {
    *("models/<system>/unjoined.parquet", "decomposers/<decomposer>/manifest.json", "results/store/atoms/"),
    *(
        *("text2mol/<model>/<test>.parquet", "text_models/text2mol/manifest.json"),
        "preferences/share-<share>/",
        "preferences/corpora/<corpus>/",
        "data/corpora/<corpus>/",
        "tables/seeds.csv",
        "work/align/<model>/",
    ),
    *("data/planted/<test>.parquet", "predictions/planted/<test>.parquet", "judge_validation/<test>.parquet"),
    *("tables/judges.csv", "tables/agreement.csv", "tables/audit.csv", "tables/rankings.csv", "tables/licences.csv"),
    *("preferences/by-<start>/", "verdicts/<judge>/<author>/<test>.parquet", "results/store/verdicts/"),
    *("plots/judges-<test>.svg", "plots/judges-<test>.png"),
    *("tables/ablation-<name>.csv", "plots/ablation-<name>.svg", "plots/ablation-<name>.png"),
    *("tables/<name>.html", "report/index.html", "report/one-page.html", "explorer/", "so-far/"),
    *("models/<id>/search.json", "tables/merge_search.csv", "results/store/captions/", "preferences/judged-<model>/"),
    *("cards/<model>/README.md", "pushed/<model>.json"),
}


def test_the_docs_name_every_file_and_every_named_file_is_made(done: Path) -> None:
    assert undocumented(done, "micro") == []
    assert absent(done, "micro") <= NOT_HERE


def test_a_card_tells_what_its_model_was_made_from(done: Path, snakemake, micro) -> None:
    path = "results/micro/cards/mol2cap.sft_dpo.ties/README.md"
    run = snakemake(done, path, study=micro)
    assert run.returncode == 0, run.stdout
    assert planned(run.stdout) == {"card": 1}
    text = (done / path).read_text()
    assert all(name in text for name in ("mol2cap.sft", "mol2cap.dpo"))
    shutil.rmtree(done / "results/micro/cards")


def test_manifests_tell_what_a_model_was_made_from(done: Path) -> None:
    models = done / "results/micro/models"
    policy = read_json(models / "mol2cap.sft/manifest.json")
    start = read_json(models / "mol2cap/manifest.json")
    assert start["weights"]["digest"] in str(policy["inputs"])
    assert policy["versions"]["trl"] and policy["settings"]["trl"]
    merged = read_json(models / "mol2cap.sft_dpo.slerp/manifest.json")
    assert policy["weights"]["digest"] in str(merged["inputs"])
    assert 0 <= merged["validation"]["lerp_share"] <= 1


def test_the_planned_disk_is_that_of_the_run(done: Path, micro, monkeypatch) -> None:
    monkeypatch.chdir(done)
    study = loading.parse(micro)
    models = model_table.build(study)
    expected = {one.what: one.size or 0 for one in held(study, models, sizes(study, models), 1)}

    def real(kind: str, part: str) -> int:
        folders = [done / "results/micro/models" / name / part for name in models.of_kind(kind)]
        return sum(path.stat().st_size for folder in folders for path in folder.glob("*"))

    assert real("initial", "weights") == pytest.approx(expected["initial models made here"], rel=0.1)
    assert real("aligned", "adapter") == pytest.approx(expected["4 aligned models"], rel=0.1)
    assert real("merged", "weights") == pytest.approx(expected["1 merge to keep"], rel=0.1)
