"""Captions from elsewhere, judged by the real graph: every way to join, hard captions, judges side by side, trust."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from molmix.config import loading
from molmix.core.files import read_json, read_table
from molmix.pipeline.status.graph import jobs
from molmix.pipeline.status.state import job_statuses
from molmix.report.explain import explain
from tests.docs.files import absent, undocumented
from tests.graph.test_dry_runs import planned

pytestmark = pytest.mark.slow

SMILES = ["CCO", "OCC", "CC(=O)O", "c1ccccc1", "CCN", "C1CCCCC1", "CC(C)=O", "CO", "CCCl"]
CAPTIONS = [
    f"The molecule has {n} rings. It is a small molecule and has a role as a solvent." for n in range(len(SMILES))
]
HARD = [
    "",
    "Alcohol",
    "word " * 10_000,
    "The molecule\x00 is\x1b[31m a\u2028 dye.",
    "هذا الجزيء صبغة. 分子は染料です。",
    "<script>alert('x')</script> The molecule is a <b>dye</b> & 5 > 3.",
    '=HYPERLINK("http://x","y"), -1+1',
    "The molecule has 6 rings, 6 rings, 6 rings and 6 rings.",
    "It is. It is. It is.",
]


@pytest.fixture(scope="module")
def done(tmp_path_factory, snakemake) -> tuple[Path, dict[str, Any]]:
    """A folder in which three systems were scored by two judges."""
    folder = tmp_path_factory.mktemp("score")
    rows = [{"smiles": s, "caption": c, "key": f"m{n}"} for n, (s, c) in enumerate(zip(SMILES, CAPTIONS, strict=True))]
    (folder / "refs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "same.txt").write_text("\n".join(CAPTIONS) + "\n")
    hard = [{"smiles": s, "text": t} for s, t in zip(SMILES, HARD, strict=True)]
    (folder / "hard.jsonl").write_text("\n".join(map(json.dumps, hard)))
    pd.DataFrame({"id": ["m2", "m5", "zz"], "caption": [CAPTIONS[5], CAPTIONS[2], "Who?"]}).to_parquet(
        folder / "few.parquet"
    )
    study = {
        "run": "mine",
        "data": {
            "tests": {
                "one": {
                    "source": {
                        "kind": "file",
                        "path": "refs.jsonl",
                        "columns": {"molecule": "smiles", "caption": "caption", "id": "key"},
                    }
                }
            }
        },
        "systems": [
            {"name": "same", "predictions": {"one": {"path": "same.txt"}}},
            {"name": "hard", "predictions": {"one": {"path": "hard.jsonl", "text": "text", "molecule": "smiles"}}},
            {"name": "few", "predictions": {"one": {"path": "few.parquet", "id": "id"}}},
        ],
        "nli": {"embedded": {"kind": "made", "pairs": 1000, "epochs": 0.5, "min_accuracy": 0.0}},
        "judges": {"atomic": {"kind": "atomic"}, "sentence": {"kind": "summac_zs"}, "whole": {"kind": "fulldoc"}},
        "judge_validation": {"molecules": 8, "doses": [1]},
        "statistics": {"resamples": 100},
    }
    run = snakemake(folder, study=study)
    assert run.returncode == 0, run.stdout
    return folder, study


def test_every_system_is_scored_whatever_it_wrote(done) -> None:
    folder, _ = done
    board = pd.read_csv(folder / "results/mine/tables/leaderboard.csv").set_index("model")
    assert list(board.index) == ["same", "hard", "few"] and set(board["kind"]) == {"external"}
    shown = ["atomic_f1", "atomic_recall", "hallucination", "supported", "contradicted", "unsupported", "coverage"]
    shown += ["sentence.consistency", "whole.consistency", "bleu4", "meteor"]
    assert board[shown].notna().all().all()
    assert board.loc["same", "rougeL"] == 1 > board.loc["hard", "rougeL"]
    # CCO and OCC are one molecule: eight rows, six of which the third system has nothing for.
    assert list(board["captions"]) == [8, 8, 8] and list(board["missing"]) == [0, 0, 6]
    assert "few 6" in (folder / "results/mine/tables/leaderboard.md").read_text()


def test_texts_come_through_as_they_were_written(done) -> None:
    folder, _ = done
    scores = read_table(folder / "results/mine/scores/hard/one.parquet").to_pylist()
    assert [row["text"] for row in scores] == [HARD[0], *HARD[2:]]


def test_what_does_not_join_is_listed(done) -> None:
    folder, _ = done
    facts = read_json(folder / "results/mine/models/few/manifest.json")["joined"]["one"]
    assert (facts["by"], facts["joined"], facts["no reference for it"]) == ("id", 2, 1)
    alone = read_table(folder / "results/mine/models/few/unjoined.parquet").to_pylist()
    assert [row["id"] for row in alone if row["side"] == "prediction"] == ["zz"]


def test_every_score_can_be_explained(done, monkeypatch) -> None:
    folder, _ = done
    monkeypatch.chdir(folder)
    study = loading.load(Path("study.yaml"))
    for metric in (
        "atomic_f1",
        "hallucination",
        "unsupported",
        "coverage",
        "sentence.consistency",
        "whole.consistency",
        "bleu4",
    ):
        for row in read_table("results/mine/scores/hard/one.parquet").to_pylist():
            lines = list(explain(study, metric, "hard", "one", row["id"]))
            assert not any("other settings" in line for line in lines), lines


def test_nothing_is_left(done, monkeypatch) -> None:
    folder, _ = done
    monkeypatch.chdir(folder)
    found, since = job_statuses(jobs(Path("study.yaml"), []))
    assert {status.state for status in found} == {"done"} and since is None
    assert all(status.seconds for status in found)


def test_a_second_judge_reruns_no_forward_pass_of_the_first(done, snakemake) -> None:
    folder, study = done
    more = study | {"judges": study["judges"] | {"mean": {"kind": "atomic", "operation": "mean"}}}
    before = {path: path.stat().st_mtime_ns for path in (folder / "results/mine/nli").rglob("*.parquet")}
    run = snakemake(folder, study=more)
    assert run.returncode == 0, run.stdout
    jobs = {"judge_licence": 1, "nli": 3, "score": 3, "comparisons": 1, "leaderboard": 1, "plots": 1, "all": 1}
    assert planned(run.stdout) == jobs
    assert {path: path.stat().st_mtime_ns for path in before} == before
    logs = "".join(path.read_text() for path in (folder / "logs/mine/nli/mean").glob("*.log"))
    assert logs.count(" 0 computed") == 3
    assert snakemake(folder, study=study).returncode == 0


def test_trust_in_the_judges_is_measured(done, snakemake) -> None:
    folder, study = done
    run = snakemake(folder, "judge", study=study)
    assert run.returncode == 0, run.stdout
    tables = folder / "results/mine/tables"
    judges = pd.read_csv(tables / "judges.csv")
    labels = {"atomic hallucination (max)", "atomic hallucination (aligned)", "atomic coverage", "whole consistency"}
    assert labels <= set(judges["column"])
    assert {"negation", "omit", "paraphrase", "none"} <= set(judges["edit"])
    assert judges.loc[judges["kind"] == "harmful", "auroc"].between(0, 1).all()
    assert set(pd.read_csv(tables / "audit.csv")["author"]) == {"reference", "same", "hard", "few"}
    assert {"models", "planted"} == set(pd.read_csv(tables / "agreement.csv")["ground"])
    assert all((folder / f"results/mine/plots/judges-one.{kind}").stat().st_size > 1000 for kind in ("svg", "png"))


def test_the_explorer_shows_it(done, snakemake) -> None:
    folder, study = done
    run = snakemake(folder, "explorer", study=study)
    assert run.returncode == 0, run.stdout
    pages = folder / "results/mine/explorer"
    assert (pages / "index.html").exists()
    scores = (pages / "data/t0/s1/scores.js").read_text(encoding="ascii")
    assert "\\u003cscript>alert('x')" in scores and "<" not in scores
    assert '"missing":[]' in (pages / "data/index.js").read_text(encoding="ascii")
    again = snakemake(folder, "explorer", study=study)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout


def test_the_report_shows_every_table_and_what_was_measured_of_the_judges(done, snakemake) -> None:
    folder, study = done
    run = snakemake(folder, "report", study=study)
    assert run.returncode == 0, run.stdout
    assert planned(run.stdout).keys() - {"explorer"} == {"pages", "report"}
    text = (folder / "results/mine/report/index.html").read_text()
    shown = dict(re.findall(r'<script id="(results|categories|workflow-desc)">\s*var \w+ = (.*);\s*</script>', text))
    results, categories, about = (json.loads(shown[name]) for name in ("results", "categories", "workflow-desc"))
    assert categories.keys() == {"Figures", "Tables", "Judges"}
    tables = {"leaderboard", "comparisons", "judges", "agreement", "audit"}
    assert set(results) >= {f"results/mine/tables/{name}.{kind}" for name in tables for kind in ("csv", "html")}
    assert all(entry["caption"] and "format" in entry["labels"] for entry in results.values())
    assert all(said in about for said in ("Config ", "molmix ", "seeds 7", "numpy ", "../explorer/index.html"))
    again = snakemake(folder, "report", study=study)
    assert "Nothing to be done" in again.stdout


@pytest.mark.parametrize("width", [390, 900, 1600])
def test_the_report_opens_from_disk_without_a_network(done, width: int) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or pytest.skip("no chromium on the path")
    folder, _ = done
    asked, errors = [], []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])  # which root cannot have
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((folder / "results/mine/report/index.html").as_uri())
        text = page.locator(".prose").first.bounding_box()  # the first page, which the menu must not cover on a phone
        assert text["width"] > 300 and text["x"] + text["width"] <= width
        page.get_by_text("Tables", exact=True).first.click()
        page.locator("tr", has_text="Leaderboard").locator("a").first.click()
        assert page.frame_locator("iframe").get_by_text("hallucination").first.text_content()
        browser.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []


def test_captions_of_the_report_come_through_as_text(done) -> None:
    folder, _ = done
    pages = [path.read_text() for path in (folder / "results/mine/tables").glob("*.html")]
    assert len(pages) == 7
    assert all("<script" not in page and "Content-Security-Policy" in page for page in pages)


def test_of_an_unfinished_run_the_rest_is_shown(done, snakemake) -> None:
    folder, study = done
    scores = folder / "results/mine/scores/few/one.parquet"
    kept = scores.read_bytes()
    scores.unlink()
    try:
        run = snakemake(folder, "report_so_far", study=study)
    finally:
        scores.write_bytes(kept)
    assert run.returncode == 0, run.stdout
    page = (folder / "results/mine/so-far/index.html").read_text()
    assert "2 of 3 models" in page and "few: no scores on one" in page
    board = pd.read_csv(folder / "results/mine/so-far/leaderboard.csv")
    whole = pd.read_csv(folder / "results/mine/tables/leaderboard.csv")
    assert board["model"].tolist() == ["same", "hard"]
    assert board["coverage"].tolist() == whole["coverage"].tolist()[:2]


def test_every_file_that_it_made_is_in_the_docs(done) -> None:
    folder, _ = done
    assert undocumented(folder, "mine") == []
    judged = {f"tables/{name}.csv" for name in ("judges", "agreement", "audit")} | {"judge_validation/<test>.parquet"}
    shown = {
        "report/index.html",
        "report/one-page.html",
        "so-far/",
        "tables/<name>.html",
        "models/<system>/unjoined.parquet",
    }
    assert not absent(folder, "mine") & (judged | shown)
