"""Tables as pages, the first page of the report, and which models of an unfinished run are shown."""

from pathlib import Path

import pandas as pd
import pytest

from molmix.analysis.tables import Cell, Grid, markdown
from molmix.core.errors import MolmixError
from molmix.core.files import write_json
from molmix.metrics import Options
from molmix.report.pages import html_page, write_page
from molmix.report.snakemake_report import _as_rst_list, write_report
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


def test_provenance_means_itself_in_restructured_text() -> None:
    from docutils.core import publish_parts
    from jinja2 import Environment

    said = "- a_b_ *c* `d` |e| {{ f }} back\\slash"
    text = Environment().from_string(_as_rst_list("About", [said])).render()
    parts = publish_parts(text, writer="html", settings_overrides={"report_level": 1, "halt_level": 1})
    assert "a_b_ *c* `d` |e| {{ f }} back\\slash" in parts["html_body"]


def test_a_report_that_snakemake_refuses_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match="Snakemake failed to make the report"):
        write_report(config={"run": "x"}, targets=["none"], about=[], warnings=[], page=tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


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
