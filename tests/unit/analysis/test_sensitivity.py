"""The figures of judge validation equal the plain definitions, and their intervals cover what they say."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from molmix.analysis.judge_validation import agreement as agreeing
from molmix.analysis.judge_validation.agreement import agreement
from molmix.analysis.judge_validation.perturbations import EDITS
from molmix.analysis.judge_validation.ranks import auroc, kendall, spearman, weights_of
from molmix.analysis.judge_validation.sensitivity import (
    FIGURES,
    measure_sensitivity,
    sensitivity_grids,
    sensitivity_notes,
)
from molmix.analysis.tables import latex, markdown
from molmix.core.errors import MolmixError
from molmix.report.plots.judges import draw_judges

EDITED = [edit for edit in EDITS if edit != "none"]


def frame_of(molecules, damage, doses=(1, 2), edits=EDITED):
    """Variants with a column ``score``; ``damage(edit, k)`` is called for each."""
    rows = [
        (f"m{number}", edit, k, damage(edit, k))
        for number in range(molecules)
        for edit, k in [("none", 0), *((edit, k) for edit in edits for k in doses)]
    ]
    return pd.DataFrame(rows, columns=["of", "edit", "k", "score"])


def row_of(measured, edit, k=None, column="score"):
    chosen = measured[(measured.column == column) & (measured.edit == edit)]
    return chosen[chosen.k.isna() if k is None else chosen.k == k].iloc[0]


def is_harm(edit):
    return EDITS[edit].kind == "harmful"


# --- ranks

SCORES = st.lists(st.integers(0, 5).map(float), min_size=2, max_size=12)


@settings(max_examples=50)
@given(higher=SCORES, lower=SCORES)
def test_auroc_is_the_share_of_pairs(higher, lower):
    pairs = [(h > low) + (h == low) / 2 for h in higher for low in lower]
    ones = [np.ones((1, len(values))) for values in (higher, lower)]
    assert auroc(np.array(higher), np.array(lower), *ones)[0] == pytest.approx(np.mean(pairs))


@settings(max_examples=50)
@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=3, max_size=12))
def test_weighted_ranks_are_those_of_repeated_rows(pairs):
    one, other, times = np.array(pairs).T
    rows = np.repeat(np.arange(len(pairs)), times)
    first, second = one[rows], other[rows]
    found = spearman(one.astype(float), other.astype(float), times[None].astype(float))[0]
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert found == pytest.approx(stats.spearmanr(first, second).statistic)
        tau = kendall(first[None].astype(float), second[None].astype(float))[0]
        assert tau == pytest.approx(stats.kendalltau(first, second).statistic)
    else:
        assert np.isnan(found)


def test_weights_count_how_often_a_molecule_is_drawn():
    weights = weights_of(7, 20, seed=1)
    assert weights.shape == (21, 7)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 7).all()


# --- measure


def test_a_perfect_score():
    frame = frame_of(20, lambda edit, k: float(k) if is_harm(edit) else 0.0)
    measured = measure_sensitivity(frame, {"score": "lower"}, resamples=50)
    for edit in EDITED:
        row = row_of(measured, edit)
        expected = 1.0 if is_harm(edit) else 0.5
        assert row.auroc == row.auroc_low == row.auroc_high == row.paired_auroc == row.paired_auroc_high == expected
        assert row.balanced_accuracy == row.balanced_accuracy_high == expected
        assert (row.spearman > 0.9) == is_harm(edit)
        assert np.isnan(row.spearman) != is_harm(edit)
        assert row.false_alarms == 0 or is_harm(edit)
        assert row.change == (1.5 if is_harm(edit) else 0)
        assert row_of(measured, edit, 2).change == (2 if is_harm(edit) else 0)
    assert row_of(measured, "none", 0).false_alarms == 0
    assert len(measured) == 1 + 3 * len(EDITED)


def test_a_score_that_punishes_every_change_sees_no_more_than_harmless_edits():
    wordy = measure_sensitivity(frame_of(20, lambda edit, k: float(k)), {"score": "lower"}, resamples=20)
    assert (row_of(wordy, "swap").paired_auroc, row_of(wordy, "swap").beyond_harmless) == (1, 0.5)
    assert np.isnan(row_of(wordy, "paraphrase").beyond_harmless)
    # Costs of 2 for an error, of 1 for a paraphrase, of 3 for a repetition, of 0 for another order
    costs = {"paraphrase": 1.0, "repeat": 3.0, "reorder": 0.0}
    frame = frame_of(20, lambda edit, k: 2.0 if is_harm(edit) else costs.get(edit, 0.0))
    measured = measure_sensitivity(frame, {"score": "lower"}, resamples=20)
    harmless = [costs.get(edit, 0.0) for edit in EDITED if not is_harm(edit)]
    assert row_of(measured, "swap").beyond_harmless == pytest.approx(np.mean([cost < 2 for cost in harmless]))


def test_a_score_whose_higher_is_better_is_turned():
    frame = frame_of(20, lambda edit, k: -float(k) if is_harm(edit) else 0.0)
    row = row_of(measure_sensitivity(frame, {"score": "higher"}, resamples=20), "swap")
    assert (row.auroc, row.balanced_accuracy, row.change, row.change_low) == (1, 1, -1.5, -1.5)
    assert row.spearman > 0.9


@pytest.mark.filterwarnings("error")
def test_a_constant_score_is_blind_and_raises_no_alarm():
    measured = measure_sensitivity(frame_of(9, lambda edit, k: 0.3), {"score": "lower"}, resamples=30)
    edited = measured[measured.kind != "control"]
    assert (edited[["auroc", "auroc_low", "auroc_high", "balanced_accuracy"]] == 0.5).all(axis=None)
    assert edited.spearman.isna().all()
    assert (measured.false_alarms.dropna() == 0).all()
    assert (measured.change == 0).all()


def test_figures_equal_the_plain_definitions():
    generator = np.random.default_rng(0)
    frame = frame_of(30, lambda edit, k: generator.normal(k / 2 if is_harm(edit) else 0))
    measured = measure_sensitivity(frame, {"score": "lower"}, resamples=40, seed=3)
    control = frame[frame.edit == "none"].set_index("of").score
    own = frame[frame.edit == "number"]
    pairs = [(a > b) + (a == b) / 2 for a in own.score for b in control]
    row = row_of(measured, "number")
    assert row.auroc == pytest.approx(np.mean(pairs))
    assert row.spearman == pytest.approx(
        stats.spearmanr([*(own.score - own.of.map(control)), *([0] * 30)], [*own.k, *([0] * 30)]).statistic
    )
    assert row.change == pytest.approx((own.score - own.of.map(control)).mean())
    assert row.n == 60
    assert row.paired_auroc == pytest.approx((own.score > own.of.map(control)).mean())
    # One resample at a time, from rows written out as often as they are drawn
    draws = []
    for weights in weights_of(30, 40, seed=3)[1:]:
        times = dict(zip(sorted(control.index), weights.astype(int), strict=True))
        edited = np.repeat(own.score.to_numpy(), own.of.map(times))
        spared = np.repeat(control.to_numpy(), control.index.map(times))
        draws.append((edited[:, None] > spared).mean())
    assert (row.auroc_low, row.auroc_high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))


def test_undefined_scores_are_counted_and_left_out():
    frame = frame_of(10, lambda edit, k: float(k) if is_harm(edit) else 0.0)
    frame.loc[(frame.of == "m0") & (frame.edit == "none"), "score"] = np.nan
    frame.loc[(frame.of == "m1") & (frame.edit == "swap") & (frame.k == 2), "score"] = np.nan
    measured = measure_sensitivity(frame, {"score": "lower"}, resamples=20)
    assert (row_of(measured, "swap").n, row_of(measured, "swap").undefined) == (17, 3)
    assert (row_of(measured, "swap", 2).n, row_of(measured, "swap", 2).undefined) == (8, 2)
    assert (row_of(measured, "none", 0).n, row_of(measured, "none", 0).undefined) == (9, 1)
    frame["score"] = np.nan
    measured = measure_sensitivity(frame, {"score": "lower"}, resamples=20)
    assert measured[[*FIGURES]].isna().all(axis=None)
    assert (row_of(measured, "swap").n, row_of(measured, "swap").undefined) == (0, 20)


def test_a_threshold_is_judged_on_other_molecules():
    """Noise looks separable to a threshold that is tuned on itself."""
    generator = np.random.default_rng(1)
    found = [
        row_of(
            measure_sensitivity(
                frame_of(12, lambda *_: generator.normal(), (1,), ["swap"]), {"score": "lower"}, resamples=2
            ),
            "swap",
        )
        for _ in range(60)
    ]
    assert np.mean([row.balanced_accuracy for row in found]) < 0.54


def test_intervals_of_a_blind_score_mostly_hold_one_half():
    generator = np.random.default_rng(2)
    frame = frame_of(60, lambda *_: 0.0, (1,), ["swap"])
    blind = frame.drop(columns="score").join(pd.DataFrame(generator.normal(size=(len(frame), 200))).add_prefix("s"))
    measured = measure_sensitivity(blind, {f"s{number}": "lower" for number in range(200)}, resamples=300)
    pooled = measured[(measured.edit == "swap") & measured.k.isna()]
    held = (pooled.auroc_low <= 0.5) & (pooled.auroc_high >= 0.5)
    assert 0.9 <= held.mean() <= 0.99


def test_order_of_rows_does_not_matter():
    generator = np.random.default_rng(4)
    frame = frame_of(15, lambda edit, k: generator.normal(k))
    shuffled = frame.sample(frac=1, random_state=0)
    one, other = (measure_sensitivity(rows, {"score": "lower"}, resamples=30) for rows in (frame, shuffled))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="score"), "no column 'score'"),
        (lambda frame: frame[frame.edit != "none"], "no controls"),
        (lambda frame: frame.replace({"edit": {"swap": "swop"}}), "no edit 'swop'"),
    ],
)
def test_scores_that_cannot_be_measured_are_refused(change, message):
    with pytest.raises(MolmixError, match=message):
        measure_sensitivity(change(frame_of(3, lambda *_: 0.0)), {"score": "lower"})


# --- table and plot


@pytest.fixture(scope="module")
def measured():
    generator = np.random.default_rng(5)
    frame = frame_of(40, lambda edit, k: generator.normal(3 * k if is_harm(edit) else 0)).assign(flat=1.0)
    frame["noise"] = generator.normal(size=len(frame))
    return measure_sensitivity(frame, {"score": "lower", "noise": "higher", "flat": "higher"}, resamples=50)


def test_table_shows_every_score_and_marks_the_best(measured):
    pages = sensitivity_grids(measured, "id", 40)
    text = markdown("judges", pages, sensitivity_notes(measured, level=0.95))
    lines = text.splitlines()
    assert f"| score | {' | '.join(EDITED)} |" in lines
    seen = [line for line in lines if line.startswith("| score | **")]
    assert len(seen) == 4  # AUROC within pairs, against harmless edits and between molecules; Spearman
    assert all(line.count("**") == 2 * sum(map(is_harm, EDITED)) for line in seen)
    assert any(line.startswith("| flat | .50 ±.00 |") for line in lines)
    assert any(line.startswith("| flat | – |") for line in lines)
    assert "Left out" not in text
    some = measured.assign(undefined=((measured.edit == "swap") & measured.k.isna()).astype(int) * 4)
    assert "Left out: 4 scores" in "\n".join(sensitivity_notes(some[some.column == "score"], level=0.95))
    table = latex(pages, [])
    assert table.count(r"\begin{tabular}") == 5 and r"flat & .50 $\pm$.00 &" in table and table.isascii()


def test_figure_is_the_same_each_time(measured, tmp_path):
    shown = pd.concat([measured.assign(author=author) for author in ("reference", "system")])
    for name in ("one", "two"):
        draw_judges(shown, svg=tmp_path / f"{name}.svg", png=tmp_path / f"{name}.png")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    text = (tmp_path / "one.svg").read_text()
    assert all(f">{word}<" in text for word in [*EDITED, "score", "noise", "flat"])
    assert (tmp_path / "one.png").stat().st_size > 10_000


def test_figure_of_few_edits(measured, tmp_path):
    few = measured[measured.edit.isin(["none", "swap"])].assign(author="system")
    draw_judges(few, svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    assert (tmp_path / "a.svg").is_file()


def test_importing_judge_validation_is_cheap():
    code = (
        "import sys, molmix.analysis.judge_validation.planting, molmix.analysis.judge_validation.sensitivity, "
        "molmix.report.plots.judges, "
        "molmix.analysis.judge_validation.agreement; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- agreement


def judged(scores, columns=("x",)):
    """Scores (molecules, systems) as a judge's frame."""
    rows = [
        (f"s{system}", f"m{molecule}", *[value] * len(columns))
        for molecule, row in enumerate(scores)
        for system, value in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["system", "of", *columns])


def test_judges_that_order_alike_agree_and_reversed_ones_do_not():
    scores = np.random.default_rng(0).normal(size=(30, 6)) + np.arange(6)
    frames = {"a": judged(scores), "b": judged(np.exp(scores)), "c": judged(-scores)}
    found = agreement(frames, ["x", "not there"], resamples=50).set_index(["one", "other"])
    assert list(found.index) == [("a", "b"), ("a", "c"), ("b", "c")]
    same, turned = found.loc[("a", "b")], found.loc[("a", "c")]
    for name in ("kendall", "spearman", "caption_spearman", "ordered_alike"):
        assert same[name] == pytest.approx(1)
        assert turned[name] == pytest.approx(0 if name == "ordered_alike" else -1)
    assert (same.systems, same.captions, same.undefined) == (6, 180, 0)


def test_agreement_equals_the_plain_definitions():
    generator = np.random.default_rng(1)
    a = generator.integers(0, 4, size=(12, 5)).astype(float)
    b = (a + generator.integers(0, 3, size=a.shape)).astype(float)
    b[0, 0] = a[3, 2] = np.nan
    row = agreement({"a": judged(a), "b": judged(b).sample(frac=1, random_state=1)}, ["x"], resamples=30).iloc[0]
    both = ~np.isnan(a) & ~np.isnan(b)
    means = [np.nanmean(np.where(both, scores, np.nan), axis=0) for scores in (a, b)]
    assert row.kendall == pytest.approx(stats.kendalltau(*means).statistic)
    assert row.spearman == pytest.approx(stats.spearmanr(*means).statistic)
    assert row.caption_spearman == pytest.approx(stats.spearmanr(a[both], b[both]).statistic)
    alike = [
        np.sign(a[m, s] - a[m, t]) == np.sign(b[m, s] - b[m, t])
        for m in range(12)
        for s in range(5)
        for t in range(s)
        if both[m, s] and both[m, t]
    ]
    assert row.ordered_alike == pytest.approx(np.mean(alike))
    assert row.ordered_alike_low <= row.ordered_alike <= row.ordered_alike_high
    assert (row.captions, row.undefined) == (58, 2)


def test_agreement_of_constant_scores_is_undefined_and_shown_as_a_dash():
    found = agreement({"a": judged(np.ones((4, 3))), "b": judged(np.ones((4, 3)))}, ["x"], resamples=10)
    assert np.isnan(found.iloc[0].kendall)
    assert found.iloc[0].ordered_alike == 1
    frame = found.assign(test="id", ground="planted")
    text = markdown("agreement", agreeing.agreement_grids(frame), agreeing.agreement_notes(frame, level=0.95))
    assert "| a, b | x | 3 | 12 | – | – | – | 1.00 ±.00 |" in text
    assert agreeing.agreement_grids(pd.DataFrame()) == []
    assert "no two judges" in agreeing.agreement_notes(pd.DataFrame(), level=0.95)[0]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"of": ["a"], "x": [1.0]}), "no column 'system'"),
        (pd.DataFrame({"system": ["s", "s"], "of": ["a", "a"], "x": [1.0, 2.0]}), "two captions of a"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(frame, message):
    with pytest.raises(MolmixError, match=message):
        agreement({"a": frame}, ["x"])


def test_a_test_set_without_an_error_has_no_table() -> None:
    frame = pd.DataFrame({"of": ["a", "b"], "edit": "none", "k": 0, "score": [0.1, 0.2]})
    found = measure_sensitivity(frame, {"score": "lower"}, resamples=10)
    assert sensitivity_notes(found, level=0.95)
    titles = [grid.title for grid in sensitivity_grids(found, "t", 1)]
    assert titles == ["t: false alarms (share of captions, 1 molecule)"]  # of the controls


@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_a_score_that_says_nothing_is_measured(value: float) -> None:
    frame = frame_of(4, lambda *_: value, (1, 2), ["swap", "repeat"])
    found = measure_sensitivity(frame, {"score": "lower"}, resamples=10)
    swap = found[(found["edit"] == "swap") & found["k"].isna()].iloc[0]
    assert (swap["n"], swap["undefined"]) == ((0, 8) if np.isnan(value) else (8, 0))
    assert np.isnan(swap["auroc"]) if np.isnan(value) else swap["auroc"] == 0.5
    one = measure_sensitivity(frame[frame["of"] == frame["of"][0]], {"score": "lower"}, resamples=10)
    assert one["change_low"].isna().all()  # one molecule has no interval
    assert not any(cell.bold for grid in sensitivity_grids(found, "t", 1) for row in grid.rows for cell in row)
