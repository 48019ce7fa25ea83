"""Tables as pages, the first page of the report, and which models of an unfinished run are shown."""

from pathlib import Path

import pandas as pd
import pytest

from molmix.analysis.licences import Licences
from molmix.analysis.tables import Cell, Grid, markdown
from molmix.core.errors import MolmixError
from molmix.core.files import write_json
from molmix.metrics import Options
from molmix.report.front_page import front_page, write_one_page
from molmix.report.pages import html_page, write_page
from molmix.report.snakemake_report import _as_rst, write_report
from molmix.report.unfinished import comparable, write_unfinished_report
from tests.unit.analysis.test_comparison_tables import write_scores

HARD = "<script>alert(1)</script> | **x** [a](javascript:alert(1)) هذا 🧪"


def test_a_page_shows_text_as_text() -> None:
    grid = Grid("t", ["model", "x"], [[Cell(HARD), Cell(".1", bold=True, star=True)]])
    made = html_page(HARD, markdown("Title", [grid], [HARD]))
    assert "<script" not in made and 'href="javascript' not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | **x**" in made
    assert "<strong>.1*</strong>" in made and 'style="text-align:right"' in made


def test_a_page_runs_nothing_and_fetches_nothing() -> None:
    made = html_page("t", "text")
    assert "default-src 'none'" in made and "http:" not in made and "https:" not in made


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match=r"none\.md: cannot be read"):
        write_page(tmp_path / "none.md", tmp_path / "none.html")


def test_the_first_page_means_itself_in_restructured_text() -> None:
    from docutils.core import publish_parts
    from jinja2 import Environment

    said = "- a_b_ `d` |e| {{ f }} {% if %} {% endraw %} back\\slash <script>"
    text = Environment().from_string(_as_rst(f"# Run\n\n{said}\n\n| a |\n| --- |\n| 1 |\n")).render()
    parts = publish_parts(text, writer="html", settings_overrides={"report_level": 1, "halt_level": 1})
    assert "<h1>Run</h1>" in parts["html_body"] and "<td>1</td>" in parts["html_body"]
    shown = "<li>a_b_ <code>d</code> |e| {{ f }} &#123;% if %} &#123;% endraw %} back\\slash &lt;script&gt;</li>"
    assert shown in parts["html_body"]


@pytest.mark.slow
def test_a_report_that_snakemake_refuses_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match="Snakemake failed to make the report"):
        write_report(config={"run": "x"}, targets=["none"], front="# x", page=tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


@pytest.mark.slow
def test_a_report_has_the_test_sets_in_the_order_of_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("refs.tsv", "captions.tsv"):
        Path(name).write_text("molecule\tcaption\nCCO\tThe molecule is a dye.\n")
    tests = {name: {"source": {"kind": "file", "path": "refs.tsv"}} for name in ("short", "long")}
    predictions = {name: {"path": "captions.tsv", "text": "caption"} for name in tests}
    study = {"run": "x", "data": {"tests": tests}, "systems": [{"name": "s", "predictions": predictions}]}
    study["nli"] = {"embedded": {"kind": "made"}}
    targets = ["results/x/plots/distribution-long.svg"]  # long against short, the first; nothing was computed
    with pytest.raises(MolmixError, match="marked for report but does not exist"):
        write_report(config=study, targets=targets, front="# x", page=Path("index.html"))


def row(kind: str, *parents: str, start: str | None = None) -> dict:
    method, seed = kind, 1
    return {"kind": kind, "parents": list(parents), "start": start, "method": method, "seed": seed, "unseeded": ""}


MODELS = {
    "a": row("initial"),
    "a.sft": row("aligned", "a", start="a"),
    "a.dpo": row("aligned", "a", start="a"),
    "a.sft_dpo.ties": row("merged", "a.sft", "a.dpo", start="a"),
}


def test_a_model_is_shown_with_those_it_is_compared_with() -> None:
    assert list(comparable(MODELS, set(MODELS))) == list(MODELS)
    assert list(comparable(MODELS, set(MODELS) - {"a.dpo"})) == ["a", "a.sft"]
    assert list(comparable(MODELS, set(MODELS) - {"a"})) == []


def shown(tmp_path: Path, scored: list[str]) -> str:
    write_scores(tmp_path / "scores", scored)
    write_json(tmp_path / "data/manifest.json", {"counts": {}})
    for model in scored:
        write_json(tmp_path / f"models/{model}/manifest.json", {"id": model})
    options = Options(judges={}, vocabulary=None, wordnet=None, domain="molecules")
    write_unfinished_report(
        run="r",
        models=MODELS,
        tests={"id": "mol2cap"},
        root=tmp_path,
        others=[tmp_path / "none.md"],
        folder=tmp_path / "so-far",
        config="0",
        seeds=[1],
        statistics={"resamples": 100, "level": 0.95},
        options=vars(options),
        licences={},
    )
    return (tmp_path / "so-far/index.html").read_text()


def test_nothing_scored_says_so(tmp_path: Path) -> None:
    made = shown(tmp_path, [])
    assert "0 of 4 models" in made and "a.dpo: no scores on id" in made
    assert not (tmp_path / "so-far/leaderboard.csv").exists()


def test_what_is_scored_is_shown_and_what_is_not_is_named(tmp_path: Path) -> None:
    made = shown(tmp_path, ["a", "a.sft", "a.sft_dpo.ties"])
    assert "2 of 4 models" in made
    assert "a.dpo: no scores on id" in made
    assert "a.sft_dpo.ties: scored, but not the model that it is compared with" in made
    assert pd.read_csv(tmp_path / "so-far/leaderboard.csv")["model"].tolist() == ["a", "a.sft"]


def test_the_first_page_speaks_of_what_the_run_has(tmp_path: Path) -> None:
    shown(tmp_path, list(MODELS))
    options = Options(judges={}, vocabulary=None, wordnet=None, domain="molecules")
    page = {"run": "r", "models": MODELS, "tests": ["id"], "tables": tmp_path / "so-far", "options": options}
    page |= {"licences": Licences({}, options), "level": 0.95, "about": ["- Config 0."], "links": {"All": "x.html"}}
    bare = front_page(**page, benchmarks=tmp_path / "none")
    assert [line for line in bare.splitlines() if line.startswith("#")] == [
        "# r",
        "## Best models",
        "## id: all models",
        "## More",
        "## Provenance",
    ], "without a judge and measured jobs there is nothing to say of them"
    board = pd.read_csv(tmp_path / "so-far/leaderboard.csv").set_index("model")
    first = bare.split("## id: all models")[1].split("|")
    column = "bleu4"
    best = board[column].idxmax()
    low, high = (f"{board.loc[best, f'{column}_{end}']:.3f}".removeprefix("0") for end in ("low", "high"))
    assert f"- id: **{best}**, BLEU-4 {board.loc[best, column]:.3f}".replace(" 0.", " .") in bare
    assert f"(95% interval {low} to {high})" in bare
    assert first.index(f" {best} ") < min(first.index(f" {model} ") for model in MODELS if model != best)
    (tmp_path / "benchmarks/align").mkdir(parents=True)
    (tmp_path / "benchmarks/align/a.tsv").write_text("s\tmax_rss\tcpu_time\n90.0\t2000.0\t80\n")
    (tmp_path / "benchmarks/corpus.tsv").write_text("s\tmax_rss\tcpu_time\n10.0\t100.0\t8\n")
    told = front_page(**page, benchmarks=tmp_path / "benchmarks")
    assert "2 jobs took 1 min 40 s of wall time together; most of it: align 1 min 30 s, corpus 10 s." in told
    assert "Largest memory of a job: 2.0 GB (align)." in told
    (tmp_path / "cost.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    tables = [tmp_path / "so-far/leaderboard.md"]
    write_one_page(told, tables, {"cost": tmp_path / "cost.svg"}, tmp_path / "one.html")
    made = (tmp_path / "one.html").read_text()
    assert "<title>r</title>" in made and "<h1>Leaderboard</h1>" in made and '<a href="x.html">All</a>' in made
    assert '<img alt="cost" src="data:image/svg+xml;base64,' in made
