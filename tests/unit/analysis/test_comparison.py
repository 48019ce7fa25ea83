"""Comparisons are calibrated on data of known distribution, and defined where there is nothing to compare."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from molmix.analysis.bootstrap import mean, replicate
from molmix.analysis.comparison.paired import COLUMNS, asked_pairs, compare, fixed_pairs
from molmix.analysis.comparison.significance import Significance
from molmix.analysis.holm import holm
from molmix.analysis.permutation import p_values, permutations_needed
from molmix.core.errors import MolmixError
from molmix.metrics import Options
from molmix.metrics.bleu import COUNT_COLUMNS, corpus_bleu

SIMULATED, ROWS = 2000, 150  # shares of so many have a standard error of half a point
OPTIONS = Options(judges={"atomic": {"kind": "atomic"}}, vocabulary=None, wordnet=None, domain="molecules")


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(11)


def of_two(draw: str, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two systems, (ROWS, SIMULATED) each, of equal means; what makes a molecule hard is shared."""
    size = (ROWS, SIMULATED)
    hard = generator.normal(0, 1, size)
    return {
        "normal": lambda: (hard + generator.normal(0, 1, size), hard + generator.normal(0, 1, size)),
        "skewed": lambda: (hard + generator.exponential(1, size), hard + generator.exponential(1, size)),
        "of two shapes": lambda: (hard + generator.exponential(1, size), hard + generator.normal(1, 0.3, size)),
        "bounded": lambda: (
            (generator.normal(0, 1, size) + hard > 1).astype(float),
            (generator.normal(0, 1, size) + hard > 1).astype(float),
        ),
    }[draw]()


def bleu_counts_of_two(generator: np.random.Generator, rows: int, times: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Counts of two systems that are equally good: each n-gram of a molecule is matched with a chance of its own."""
    pairs = []
    for _ in range(times):
        reference = generator.integers(8, 40, rows)
        chance = np.clip(generator.normal(0.6, 0.15, rows), 0.1, 0.95)
        both = []
        for _ in range(2):
            length = np.maximum(reference + generator.integers(-3, 4, rows), 5)
            totals = np.stack([length - n + 1 for n in (1, 2, 3, 4)], axis=1)
            matches = np.stack([generator.binomial(totals[:, n - 1], chance**n) for n in (1, 2, 3, 4)], axis=1)
            both.append(np.column_stack([matches, totals, length, reference]).astype(float))
        pairs.append((both[0], both[1]))
    return pairs


# ---- calibration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", ["normal", "skewed", "of two shapes", "bounded"])
def test_means_interval_covers_and_p_keeps_its_level(draw: str, generator: np.random.Generator) -> None:
    one, other = of_two(draw, generator)
    columns = {(name, i): column for name, both in (("a", one), ("b", other)) for i, column in enumerate(both.T)}
    found = replicate(columns, resamples=1000, seed=1)
    gaps = [found["a", i].minus(found["b", i]).interval() for i in range(SIMULATED)]
    assert 0.93 <= np.mean([gap.low <= 0 <= gap.high for gap in gaps]) <= 0.97

    figures = {key: mean(column) for key, column in columns.items()}
    pairs = [(("a", i), ("b", i)) for i in range(SIMULATED)]
    p = p_values(figures, pairs, permutations=500, most=500, seed=1)
    assert 0.03 <= np.mean(p <= 0.05) <= 0.065
    assert 0.145 <= np.mean(p <= 0.2) <= 0.225
    assert p.min() > 0


def test_bleu_interval_covers_and_p_keeps_its_level(generator: np.random.Generator) -> None:
    figures = {}
    for i, both in enumerate(bleu_counts_of_two(generator, 80, 300)):
        figures |= {(name, i): (counts, partial(corpus_bleu, n=4)) for name, counts in zip("ab", both, strict=True)}
    found = replicate({}, figures, resamples=500, seed=1)
    gaps = [found["a", i].minus(found["b", i]).interval() for i in range(300)]
    assert 0.91 <= np.mean([gap.low <= 0 <= gap.high for gap in gaps]) <= 0.98
    p = p_values(figures, [(("a", i), ("b", i)) for i in range(300)], permutations=500, most=500, seed=1)
    assert 0.02 <= np.mean(p <= 0.05) <= 0.085
    assert 0.14 <= np.mean(p <= 0.2) <= 0.26


def test_a_difference_is_found(generator: np.random.Generator) -> None:
    one, other = of_two("normal", generator)
    figures = {("a", i): mean(column + 0.4) for i, column in enumerate(one.T)}
    figures |= {("b", i): mean(column) for i, column in enumerate(other.T)}
    p = p_values(figures, [(("a", i), ("b", i)) for i in range(SIMULATED)], permutations=500, most=500, seed=1)
    assert 0.88 <= np.mean(p <= 0.05) <= 0.97  # the paired t test's power is .93


def test_the_best_of_equals_is_rarely_called_better(generator: np.random.Generator) -> None:
    """The best is chosen by the scores that are tested: over its own comparisons alone, Holm would be too kind."""
    studies, systems = 200, 16
    called = {"all pairs": 0, "those with the best": 0}
    for study in range(studies):
        columns = dict(enumerate(generator.normal(0, 1, (systems, 60))))
        best = max(columns, key=lambda system: columns[system].mean())
        pairs = [(system, best) for system in columns if system != best]
        p = p_values({k: mean(c) for k, c in columns.items()}, pairs, permutations=300, most=3000, seed=study)
        called["all pairs"] += bool((holm(p, systems * (systems - 1) // 2) <= 0.05).any())
        called["those with the best"] += bool((holm(p) <= 0.05).any())
    assert called["all pairs"] / studies <= 0.08
    assert called["those with the best"] / studies > 0.12


# ---- p and Holm against others --------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [5, 9])
def test_p_is_that_of_the_exact_test(rows: int, generator: np.random.Generator) -> None:
    one, other = generator.normal(0.5, 1, (2, rows))
    exact = permutation_test((one, other), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples").pvalue
    found = p_values({"a": mean(one), "b": mean(other)}, [("a", "b")], permutations=40_000, most=40_000)
    assert found[0] == pytest.approx(exact, abs=0.01)


def test_p_equals_the_plain_loop_with_missing_scores(generator: np.random.Generator) -> None:
    one, other = generator.normal(0, 1, (2, 20))
    one[3], other[[5, 6]] = np.nan, np.nan
    found = p_values({"a": mean(one), "b": mean(other)}, [("a", "b")], permutations=20_000, most=20_000)
    seen, larger = abs(np.nanmean(one) - np.nanmean(other)), 0
    for _ in range(4000):
        swap = generator.random(20) < 0.5
        larger += abs(np.nanmean(np.where(swap, other, one)) - np.nanmean(np.where(swap, one, other))) >= seen
    assert found[0] == pytest.approx(larger / 4000, abs=0.03)


def test_p_of_a_sure_difference_is_counted_from_more_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"a": np.linspace(1, 2, 40), "b": np.linspace(0, 1, 40), "c": np.linspace(0, 1, 40)[::-1]}
    figures = {key: mean(column) for key, column in columns.items()}
    pairs = [("a", "b"), ("b", "c"), ("b", "b")]
    p = p_values(figures, pairs, permutations=100, most=2000)
    assert p[0] == 1 / 2001
    assert p[1] == p[2] == 1  # equal means, and one and the same
    monkeypatch.setattr("molmix.analysis.permutation._PERMUTATIONS", 7)
    np.testing.assert_allclose(p_values(figures, pairs, permutations=100, most=2000), p)


def test_permutations_reach_holms_strictest_p() -> None:
    needed = permutations_needed(190, 0.95, 1000, 300, 19)
    assert 190 / (needed + 1) < 0.05
    assert permutations_needed(1, 0.95, 1000, 300, 1) == 1000
    assert permutations_needed(500, 0.95, 1000, 22_000, 19) == 20_000  # as many as there is time for
    assert permutations_needed(10**6, 0.95, 1000, 22_000, 19) == 1000  # no use


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.02])), [0.02, np.nan, 0.02])
    np.testing.assert_allclose(holm(np.array([0.001, 0.01]), hypotheses=6), [0.006, 0.05])
    np.testing.assert_allclose(holm(np.array([0.5, 0.6])), [1, 1])
    assert len(holm(np.array([]))) == 0


# ---- a test set -----------------------------------------------------------------------------------------------

MODELS: dict[str, dict[str, Any]] = {
    "plain": {"kind": "initial", "parents": [], "start": None},
    "plain.sft": {"kind": "aligned", "parents": ["plain"], "start": "plain"},
    "plain.dpo": {"kind": "aligned", "parents": ["plain"], "start": "plain"},
    "plain.sft_dpo.slerp": {"kind": "merged", "parents": ["plain.sft", "plain.dpo"], "start": "plain"},
}


def scores(quality: float, rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Scores of a system: the same molecules are hard for all."""
    hard = np.random.default_rng(99).normal(0, 0.1, rows)
    share = np.clip(quality + hard + np.random.default_rng(seed).normal(0, 0.02, rows), 0, 1)
    counts = np.column_stack([*(np.floor(20 * share**n) for n in (1, 2, 3, 4)), *np.full((6, rows), 20)])
    frame = pd.DataFrame({"hallucination": 1 - share, "coverage": share, "finish": "stop"})
    frame["id"] = [f"m{row}" for row in range(rows)]
    frame[list(COUNT_COLUMNS)] = counts
    return frame.assign(bleu2=corpus_bleu(counts, 2), bleu4=corpus_bleu(counts, 4))


def compared(frames: dict[str, pd.DataFrame], **settings: Any) -> pd.DataFrame:
    models = {name: MODELS.get(name, {"kind": "external", "parents": [], "start": None}) for name in frames}
    given = {"resamples": 300, "level": 0.95, "seed": 5} | settings
    return compare(frames, fixed_pairs(models), OPTIONS, **given).comparisons.assign(test="t")


def test_every_model_meets_its_start_its_parents_and_the_best() -> None:
    frames = {name: scores(0.3 + 0.1 * i, seed=i) for i, name in enumerate(MODELS)}
    table = compared(frames)
    own = table[table["metric"] == "coverage"]
    assert {tuple(pair) for pair in own[["sort", "model", "other"]].to_numpy()} == {
        *fixed_pairs(MODELS),
        *(("best", model, "plain.sft_dpo.slerp") for model in list(MODELS)[:3]),
    }
    assert own.set_index("sort")["family"].to_dict() == {"start": 3, "parent": 2, "best": 6}
    start = own[own["sort"] == "start"].set_index("model")
    gap = frames["plain.dpo"]["coverage"] - frames["plain"]["coverage"]
    assert start.loc["plain.dpo", "difference"] == pytest.approx(gap.mean())
    assert start.loc["plain.dpo", "effect"] == pytest.approx(gap.mean() / gap.std(), rel=0.15)  # Cohen's d_z
    assert (start["difference_low"] <= start["difference"]).all() and (start["n"] == 60).all()
    # What is better depends on the metric
    significance = Significance(table)
    for metric in ("coverage", "hallucination", "bleu4"):
        assert significance.best("t", metric) == "plain.sft_dpo.slerp"
        assert significance.verdict("t", metric, "start", "plain.sft", "plain") == "better"
        assert significance.verdict("t", metric, "best", "plain.sft", "plain.sft_dpo.slerp") == "worse"


def test_pairs_that_are_asked_for_are_a_family_of_their_own() -> None:
    names = ["a", "b", "c", "d"]
    every = asked_pairs(names, "all")
    assert len(every) == 6 and ("asked", "a", "d") in every
    assert asked_pairs(names, []) == []
    with_baseline = asked_pairs(names, ["b", ("c", "d"), ("b", "a")])  # b and a once
    assert with_baseline == [("asked", "a", "b"), ("asked", "c", "b"), ("asked", "d", "b"), ("asked", "c", "d")]
    frames = {name: scores(0.3 + 0.1 * i, seed=i) for i, name in enumerate(names)}
    table = compare(frames, with_baseline, OPTIONS, resamples=300, level=0.95, seed=5).comparisons
    own = table[(table["metric"] == "coverage") & (table["sort"] == "asked")].set_index(["model", "other"])
    assert own.loc[[pair[1:] for pair in with_baseline], "verdict"].tolist() == ["worse", "better", "better", "worse"]
    assert (own["family"] == 4).all() and (own["p_holm"] >= own["p"]).all()


def test_equal_systems_differ_significantly_nowhere() -> None:
    same = scores(0.5)
    table = compared({"one": same, "two": same.copy(), "three": scores(0.2, seed=3)})
    assert table.loc[(table["model"] == "two"), "p"].eq(1).all()
    assert table.loc[(table["model"] == "two"), "effect"].isna().all()
    assert Significance(table).best("t", "coverage") is None
    assert (table.loc[table["model"] == "three", "verdict"] == "worse").all()


def with_scores_on(molecules: range, quality: float, seed: int) -> pd.DataFrame:
    """Scores of 60 molecules, of which only some have a coverage."""
    frame = scores(quality, seed=seed)
    return frame.assign(coverage=frame["coverage"].where(frame.index.isin(molecules)))


def test_models_without_a_molecule_in_common_are_not_tested() -> None:
    frames = {"one": with_scores_on(range(30), 0.9, 1), "two": with_scores_on(range(30, 60), 0.1, 2)}
    table = compared(frames | {"three": scores(0.5, seed=3)})
    own = table[table["metric"] == "coverage"].set_index("model")
    assert own.loc["two", ["other", "n", "verdict", "family"]].tolist() == ["one", 0, "", 2]
    assert own.loc["two", ["difference", "difference_low", "p", "p_holm", "effect"]].isna().all()
    assert own.loc["two", ["value", "other_value"]].notna().all()
    assert Significance(table).best("t", "coverage") is None  # "one" is not known to be better than "two"


def test_models_are_compared_on_the_molecules_where_both_have_a_score() -> None:
    one, two = with_scores_on(range(40), 0.6, 1), with_scores_on(range(20, 60), 0.5, 2)
    two.loc[40:, "coverage"] = 0.0  # where the other has none: no part of the difference
    table = compared({"one": one, "two": two})
    row = table[table["metric"] == "coverage"].iloc[0]
    gap = (two["coverage"] - one["coverage"]).dropna()
    assert (row["model"], row["other"], row["n"], row["family"]) == ("two", "one", 20, 1)
    assert row["difference"] == pytest.approx(gap.mean()) and abs(row["difference"]) < 0.2
    assert row["effect"] == pytest.approx(gap.mean() / gap.std(), rel=0.2)
    assert row["other_value"] - row["value"] > 0.3  # the models' own figures, over all of their scores
    whole = compared({"one": one.iloc[20:40], "two": two.iloc[20:40]})
    assert row["p"] == pytest.approx(whole[whole["metric"] == "coverage"].iloc[0]["p"], abs=0.03)


def test_scores_of_other_molecules_are_refused() -> None:
    other = scores(0.5).assign(id=[f"x{row}" for row in range(60)])
    for frame in (other, scores(0.5).iloc[::-1], scores(0.5, rows=59)):
        with pytest.raises(MolmixError, match="scores of two: they are of other molecules than those of one"):
            compared({"one": scores(0.5), "two": frame})


def test_answers_in_another_number_type_are_refused() -> None:
    frames = {"one": scores(0.9), "system": scores(0.4), "two": scores(0.5)}
    frames["one"].attrs["dtype"], frames["two"].attrs["dtype"] = "float32", "bfloat16"
    with pytest.raises(MolmixError, match="scores of two: its answers were written in bfloat16, and those of one in f"):
        compared(frames)
    frames["two"].attrs["dtype"] = "float32"
    assert len(compared(frames))


def test_a_single_molecule_has_no_interval_and_no_significance() -> None:
    table = compared({"one": scores(0.9, rows=1), "two": scores(0.2, rows=1)})
    assert table[["value", "difference"]].notna().all().all()
    assert table[["low", "high", "difference_low", "difference_high", "effect"]].isna().all().all()
    assert (table["verdict"] == "").all() and (table["p"] == 1).all()


@pytest.mark.parametrize(
    "frames",
    [
        {"alone": scores(0.5)},
        {"one": scores(0.5, rows=1), "two": scores(0.2, rows=1)},
        {"one": scores(0.5, rows=0), "two": scores(0.2, rows=0)},
        {name: scores(0.5).assign(coverage=0.5, hallucination=0.0) for name in MODELS},
        {"one": scores(0.5), "two": scores(0.3).assign(coverage=np.nan)},
        {"one": scores(0.5), "two": scores(0.3).assign(coverage=[0.1] + [np.nan] * 59)},
        {"one": scores(0.5), "two": scores(0.3).drop(columns="coverage")},
    ],
    ids=["one system", "one caption", "no caption", "all equal", "all NaN", "one score", "a metric of one system"],
)
def test_where_there_is_little_to_compare(frames: dict[str, pd.DataFrame]) -> None:
    table = compared(frames)
    assert list(table.columns) == [*COLUMNS, "test"]
    assert table["p"].dropna().between(0, 1, inclusive="right").all()
    assert table[["value", "other_value", "difference", "p", "p_holm"]].notna().all().all()
    few = len(next(iter(frames.values()))) <= 1
    assert not few or (table["verdict"] == "").all()
    if len(frames) == 1:
        assert table.empty
    Significance(table)
