"""Tables of comparisons, laid out from the scores of a study of two seeds."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from molmix.analysis.comparison.compare import compare_models
from molmix.analysis.leaderboard import leaderboard
from molmix.config import loading
from molmix.core.files import write_json, write_table
from molmix.metrics.bleu import COUNT_COLUMNS
from molmix.pipeline import model_table
from tests.graph.conftest import MICRO

NAMES = ["comparisons", "merges", "alignments", "seeds"]
BEST = "mol2cap.sft_dpo.ties"


def write_scores(folder: Path, models: list[str], rows: int = 40) -> None:
    """Scores of captions: all models alike but for chance, one merge far better, one alignment far worse."""
    import pyarrow as pa

    generator = np.random.default_rng(3)
    hard = generator.normal(0.5, 0.1, rows)
    for model in models:
        gain = {BEST: 0.3, "mol2cap.dpo": -0.3}.get(model, 0)
        share = np.clip(hard + gain + generator.normal(0, 0.05, rows), 0, 1)
        frame = pd.DataFrame({"id": [f"m{row}" for row in range(rows)], "text": "=1+1", "finish": "stop"})
        frame[["hallucination", "unsupported"]] = np.stack([1 - share, np.full(rows, 0.5)], axis=1)
        for column in (
            "coverage",
            "rouge1",
            "rouge2",
            "rougeL",
            "meteor",
            "precision",
            "recall",
            "f1",
            "bleu2",
            "bleu4",
        ):
            frame[column] = share
        frame[list(COUNT_COLUMNS)] = np.column_stack([*(share**n * 20 for n in (1, 2, 3, 4)), *np.full((6, rows), 20)])
        frame.loc[0, "coverage"] = np.nan
        if model == "mol2cap":
            frame.loc[1, "finish"] = "missing"
            frame["text"] = ["", *(["It is a dye."] * (rows - 1))]
        write_table(folder / model / "id.parquet", pa.Table.from_pandas(frame, preserve_index=False))


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """A folder with all tables."""
    return tables_of(copy.deepcopy(MICRO) | {"seeds": [1, 2]}, tmp_path_factory.mktemp("tables"))


def tables_of(content: dict[str, Any], folder: Path) -> Path:
    study = loading.parse(content)
    rows = model_table.build(study)
    write_scores(folder / "scores", list(rows))
    keys = ("kind", "method", "seed", "start", "unseeded")
    shared: dict[str, Any] = {
        "models": {
            name: {key: getattr(row, key) for key in keys} | {"parents": list(row.parents)}
            for name, row in rows.items()
        },
        "scores": folder / "scores",
        "statistics": {"resamples": 200, "level": 0.95},
        "options": {"judges": {"atomic": study.judges["atomic"].model_dump()}, "domain": "molecules"}
        | study.metrics.options(),
        "licences": {},
        "config": "c0ffee",
        "corpus": folder / "data.json",
        "manifests": [folder / "made.json", folder / "fetched.json"],
    }
    write_json(folder / "data.json", {"counts": {"tests.id": {"read": 50, "unparsable_dropped": 9, "molecules": 40}}})
    write_json(folder / "made.json", {"device": "cpu"})
    write_json(folder / "fetched.json", {"kind": "initial"})
    compare_models(tests=["id"], study_seeds=[1, 2], tables={name: folder / name for name in NAMES}, **shared)
    leaderboard(
        tests={"id": "mol2cap"},
        seeds=[1, 2],
        comparisons=folder / "comparisons.csv",
        table=folder / "leaderboard",
        **shared,
    )
    return folder


def row_of(path: Path, *names: str) -> list[str]:
    """Cells of the first row of a Markdown page that begins with these names."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in path.read_text().splitlines()]
    return next(row for row in rows if row[: len(names)] == list(names))


def test_bold_and_stars_are_those_that_the_tests_give(tables: Path) -> None:
    compared = pd.read_csv(tables / "comparisons.csv", keep_default_na=False)
    best = compared[(compared["sort"] == "best") & (compared["metric"] == "coverage")]
    assert set(best["other"]) == {BEST} and set(best["verdict"]) == {"worse"}
    page = (tables / "leaderboard.md").read_text()
    bold = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("|") and "**" in line}
    assert bold == {BEST}
    starts = compared[compared["sort"] == "start"].set_index(["model", "metric"])["verdict"]
    column = row_of(tables / "leaderboard.md", "model").index("coverage ↑")
    for model in ("mol2cap.sft", "mol2cap.dpo", BEST):
        starred = "\\*" in row_of(tables / "leaderboard.md", model)[column]
        assert starred == bool(starts[model, "coverage"])
    assert starts["mol2cap.dpo", "coverage"] == "worse" and starts["mol2cap.dpo", "hallucination"] == "worse"


def test_merges_stand_beside_their_parents(tables: Path) -> None:
    page = tables / "merges.md"
    assert row_of(page, "merge", "with") == ["merge", "with", "mol2cap", "cap2mol"]
    text = page.read_text()
    assert "## id: coverage ↑ of merges of aligned models from mol2cap, seed 2" in text
    aligned = text.partition("## id: coverage ↑ of merges of aligned models from mol2cap, seed 1")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in aligned.splitlines()[2:9]]
    assert rows[0] == ["merge", "with", "sft", "dpo"]
    assert [row[:2] for row in rows[2:6]] == [["–", "themselves"], ["slerp", "sft"], ["ties", "sft"], ["linear", "sft"]]
    assert rows[4][2] == "" and re.fullmatch(r"\*\*\.[78]\d\d ±\.\d+\\\*\*\*", rows[4][3])
    held = pd.read_csv(tables / "merges.csv").set_index(["model", "metric"]).loc[(BEST, "coverage")]
    assert (held["first"], held["second"], held["n"]) == ("mol2cap.sft", "mol2cap.dpo", 39)
    assert held["first_verdict"] == held["second_verdict"] == "better"
    assert held["value"] - held["first_value"] == pytest.approx(held["first_difference"], abs=1e-5)


@pytest.mark.slow
def test_merges_of_three_have_a_row_each_and_columns_for_each_parent(tmp_path: Path) -> None:
    study = copy.deepcopy(MICRO) | {"seeds": [1, 2], "universal": {}}
    study["align"] = {name: {"method": name, "starts": ["mol2cap"]} for name in ("sft", "dpo", "cpo")}
    study["merge"] |= {"of": [["sft", "dpo"], ["sft", "dpo", "cpo"], ["start", "sft"]]}
    tables_of(study, tmp_path)
    held = pd.read_csv(tmp_path / "merges.csv").set_index(["model", "metric"])
    row = held.loc[("mol2cap.sft_dpo_cpo.linear", "coverage")]
    assert (row["first"], row["second"], row["third"]) == ("mol2cap.sft", "mol2cap.dpo", "mol2cap.cpo")
    assert row["value"] - row["third_value"] == pytest.approx(row["third_difference"], abs=1e-5)
    pair = held.loc[("mol2cap.start_sft.linear", "coverage")]
    assert (pair["first"], pair["second"]) == ("mol2cap", "mol2cap.sft") and pd.isna(pair["third"])
    assert ("mol2cap.sft_dpo_cpo.slerp", "coverage") not in held.index
    text = (tmp_path / "merges.md").read_text()
    larger = text.partition("## id: merges of three or more aligned models from mol2cap, seed 1")[2]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in larger.splitlines() if "sft + dpo" in line
    ]
    assert [row[:2] for row in cells[:2]] == [["ties", "sft + dpo + cpo"], ["linear", "sft + dpo + cpo"]]
    pairs = text.partition("## id: coverage ↑ of merges of aligned models from mol2cap, seed 1")[2].partition("##")[0]
    assert "cpo" not in pairs and "| slerp | mol2cap |" in pairs
    assert "all parents: better than each, or worse than each" in text


def test_alignments_stand_beside_their_start(tables: Path) -> None:
    assert row_of(tables / "alignments.md", "metric") == ["metric", "start", "itself", "sft", "dpo", "cpo", "kto"]
    cells = row_of(tables / "alignments.md", "coverage ↑", "mol2cap (seed 1)")
    assert cells[4].endswith("\\*") and cells[5] == cells[6] == ""
    held = pd.read_csv(tables / "alignments.csv")
    assert set(held["model"]) == {m for m in held["model"] if m.count(".") == 1 or m.startswith("both.slerp.")}
    assert (held.loc[held["model"] == "mol2cap.dpo-s2", "seed"] == 2).all()


def test_spread_over_seeds_is_that_of_models_which_differ_in_their_seed_only(tables: Path) -> None:
    held = pd.read_csv(tables / "seeds.csv").set_index(["model", "metric"])
    board = pd.read_csv(tables / "leaderboard.csv").set_index("model")
    assert {model for model, _ in held.index} == {
        *("mol2cap.sft", "mol2cap.dpo", "both.slerp.cpo", "both.slerp.kto"),
        *(f"mol2cap.sft_dpo.{merge}" for merge in ("slerp", "ties", "linear")),
    }
    values = board.loc[[BEST, "mol2cap.sft_dpo-s2.ties"], "bleu4"]
    row = held.loc[(BEST, "bleu4")]
    assert (row["seeds"], row["mean"], row["deviation"]) == pytest.approx((2, values.mean(), values.std()), rel=1e-4)
    assert (row["low"], row["high"]) == pytest.approx((values.min(), values.max()))


def test_the_length_of_captions_is_told_without_a_mark(tables: Path) -> None:
    board = pd.read_csv(tables / "leaderboard.csv").set_index("model")
    assert board.loc["mol2cap", ["words", "empty"]].tolist() == [pytest.approx(4 * 39 / 40), 1]
    assert board.loc["mol2cap.sft", "words"] == 1
    page = tables / "leaderboard.md"
    assert row_of(page, "mol2cap")[row_of(page, "model").index("words")] == "3.9"


@pytest.mark.parametrize("name", [*NAMES, "leaderboard"])
def test_every_table_says_where_it_comes_from_and_holds_no_text(name: str, tables: Path) -> None:
    page, latex = ((tables / f"{name}{suffix}").read_text() for suffix in (".md", ".tex"))
    for text in (page, latex):
        assert all(part in text for part in ("Config c0ffee", "molmix ", "seeds 1, 2", "200 bootstrap", "numpy"))
        assert "tests.id (read 50, unparsable dropped 9, 40 molecules kept)" in text
        assert " cores, " in text and "Models made on cpu (1)." in text
        assert "counted as empty ones: mol2cap 1" in text and "coverage 20" in text
    assert r"\toprule" in latex and latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}")
    assert "=1+1" not in (tables / f"{name}.csv").read_text() + page + latex


def test_no_bold_and_no_star_for_a_judge_without_a_licence(tmp_path: Path) -> None:
    names = ["mol2cap", "mol2cap.dpo", BEST]
    write_scores(tmp_path / "scores", names)
    write_json(tmp_path / "data.json", {"counts": {"tests.id": {"read": 50, "molecules": 40}}})
    measured = {"atoms": 200, "itself": 0.3, "own_text": 0.7, "null_pairs": 200, "null_entailed": 0.1}
    measured |= {"null_contradicted": 0.0, "has_contradiction": True}
    licence = {"judge": "atomic", "nli": "small", "accuracy": 0.9, "tests": {"id": measured}}
    write_json(tmp_path / "atomic.json", licence, checksum=True)
    row = {"kind": "aligned", "method": "dpo", "seed": 1, "unseeded": "", "parents": []}
    shared: dict[str, Any] = {
        "models": {name: row | {"start": None if name == "mol2cap" else "mol2cap"} for name in names},
        "scores": tmp_path / "scores",
        "statistics": {"resamples": 200, "level": 0.95},
        "options": {"judges": {"atomic": {"kind": "atomic", "nli": "small"}}, "domain": "molecules"}
        | {"vocabulary": None, "wordnet": None},
        "config": "c0ffee",
        "corpus": tmp_path / "data.json",
        "manifests": [],
    }
    pages = {}
    for given in ({}, {"atomic": tmp_path / "atomic.json"}):
        compare_models(
            tests=["id"], study_seeds=[1], tables={"comparisons": tmp_path / "comparisons"}, licences=given, **shared
        )
        leaderboard(
            tests={"id": "mol2cap"},
            seeds=[1],
            comparisons=tmp_path / "comparisons.csv",
            table=tmp_path / "leaderboard",
            licences=given,
            **shared,
        )
        compared = pd.read_csv(tmp_path / "comparisons.csv", keep_default_na=False)
        verdicts = set(compared[compared["metric"] == "coverage"]["verdict"])
        pages[bool(given)] = (
            verdicts,
            (tmp_path / "leaderboard.md").read_text(),
            (tmp_path / "leaderboard.tex").read_text(),
        )
    (before, trusted, _), (after, page, latex) = pages[False], pages[True]
    assert "Warning" not in trusted and "coverage ↑ |" in trusted and before - {""}
    warning = (
        "Judge `atomic` is not licensed for any score on id: with the NLI model `small`, 30 % of 200 reference atoms"
    )
    assert f"> **Warning:** {warning}" in page and "Scores with † get no bold and no star" in page
    assert "coverage ↑ † |" in page and "Licence of judge `atomic`" in page and "held-out pairs: 0.900" in page
    assert after == {""} and "30 \\% of 200 reference atoms" in latex and "$\\dagger$" in latex
    assert trusted.count("\\*") > page.count("\\*")
