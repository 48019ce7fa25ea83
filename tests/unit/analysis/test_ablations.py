"""Tables and figures of ablations, from scores whose differences are known."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from molmix.analysis.comparison.ablations import compare_arms
from molmix.core.files import write_json
from molmix.report.plots.ablations import draw_ablation
from tests.unit.analysis.test_comparison_tables import BEST, write_scores

OPTIONS: dict[str, Any] = {
    "judges": {"atomic": {"kind": "atomic", "nli": "n", "decomposer": "rules", "operation": "aligned"}},
    "vocabulary": None,
    "wordnet": None,
    "domain": "molecules",
}
MODELS = ["mol2cap", "mol2cap.sft", "mol2cap.dpo", "mol2cap.cpo", BEST]


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ablations") / "scores"
    write_scores(folder, MODELS)
    return folder


@pytest.fixture
def made(scores: Path, tmp_path: Path):
    """The table of an ablation: its CSV, and its page."""

    def _made(arms: dict[str, Any], baseline: str) -> tuple[pd.DataFrame, str]:
        write_json(tmp_path / "data.json", {"counts": {"tests.id": {"read": 3, "molecules": 2}}})
        compare_arms(
            ablation={"title": "A | b", "factor": "method", "baseline": baseline, "arms": arms},
            tests=["id"],
            scores=scores,
            statistics={"resamples": 200, "level": 0.95},
            options=OPTIONS,
            licences={},
            seeds=[1],
            config="c0ffee",
            corpus=tmp_path / "data.json",
            table=tmp_path / "ablation-one",
        )
        csv = pd.read_csv(tmp_path / "ablation-one.csv", dtype={"arm": str}, keep_default_na=False, na_values=[""])
        return csv, (tmp_path / "ablation-one.md").read_text(encoding="utf-8")

    return _made


def test_each_arm_is_compared_with_the_baseline_alone(made) -> None:
    arms = {"plain": "mol2cap", "worse": "mol2cap.dpo", "alike": "mol2cap.sft", "better": BEST}
    csv, page = made(arms, "plain")
    own = csv[csv["metric"] == "coverage"].set_index("arm")
    assert list(own.index) == list(arms) and list(own["model"]) == list(arms.values())
    assert own["difference"].isna().to_dict() == {"plain": True, "worse": False, "alike": False, "better": False}
    assert own.loc[["worse", "better"], "verdict"].to_list() == ["worse", "better"]
    assert pd.isna(own.loc["alike", "verdict"])
    assert set(own["family"].dropna()) == {3}
    gaps = own["value"] - own.loc["plain", "value"]
    # Each on the molecules that both have a score for: here the same ones.
    assert own["difference"].dropna().to_numpy() == pytest.approx(gaps.drop("plain").to_numpy(), abs=2e-5)
    assert own.loc["worse", "difference"] == pytest.approx(-0.3, abs=0.05)
    assert own.loc["better", "effect"] > 1
    row = next(line for line in page.splitlines() if "| better |" in line and "+" in line)
    assert "**" in row and "\\*" in row
    assert "baseline" in page and "A \\| b" in page


def test_lower_is_better_where_it_is(made) -> None:
    csv, _ = made({"plain": "mol2cap", "better": BEST}, "plain")
    own = csv[csv["metric"] == "hallucination"].set_index("arm")
    assert own.loc["better", "difference"] < 0 and own.loc["better", "verdict"] == "better"


def test_an_arm_may_be_the_best_of_some(made) -> None:
    chosen = {"test": "id", "of": MODELS}
    csv, page = made(
        {
            "whole": {"best": "coverage", **chosen},
            "by hallucination": {"best": "hallucination", **chosen},
            "without the best": {"best": "coverage", "test": "id", "of": ["mol2cap.dpo", "mol2cap.sft"]},
        },
        "whole",
    )
    models = csv.drop_duplicates("arm").set_index("arm")["model"].to_dict()
    assert models == {"whole": BEST, "by hallucination": BEST, "without the best": "mol2cap.sft"}
    same = csv[csv["arm"] == "by hallucination"]
    assert (same["difference"] == 0).all() and (same["p_holm"] == 1).all() and same["verdict"].isna().all()
    assert f"whole: {BEST}, the best of 5 by coverage on id." in page
    # 1 - hallucination is coverage here but for one molecule, which has none of it.
    (said,) = (line for line in page.splitlines() if "Kendall" in line)
    assert float(said.partition("τ ")[2].split()[0]) >= 0.6
    assert "these 5 models" in said


@pytest.mark.parametrize(
    ("arms", "baseline", "curve"),
    [
        ({"0.01": "mol2cap.dpo", "0.1": "mol2cap", "1": BEST}, "0.1", True),
        ({"none <b>": "mol2cap.dpo", "all": "mol2cap"}, "all", False),
    ],
)
def test_numbers_make_a_curve_and_names_make_bars(made, tmp_path: Path, arms, baseline, curve) -> None:
    made(arms, baseline)
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    given = {"title": "Some title", "factor": "β", "options": OPTIONS}
    draw_ablation(tmp_path / "ablation-one.csv", svg=svg, png=png, **given)
    text = svg.read_text(encoding="utf-8")
    assert "Some title" in text and "coverage ↑" in text
    assert ("filled: significant difference" in text) == curve and ("difference from the baseline" in text) != curve
    if not curve:
        assert "none &lt;b&gt;" in text
    assert png.read_bytes().startswith(b"\x89PNG")
    draw_ablation(tmp_path / "ablation-one.csv", svg=tmp_path / "b.svg", png=png, **given)
    assert (tmp_path / "b.svg").read_bytes() == svg.read_bytes()
