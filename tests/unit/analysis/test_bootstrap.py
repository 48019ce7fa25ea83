"""Bootstrap intervals cover what they say, and equal the plain resampling loop."""

import numpy as np
import pytest
from nltk.translate.bleu_score import corpus_bleu as nltk_bleu

from molmix.analysis.bootstrap import bootstrap, replicate, resampled_rows
from molmix.metrics.bleu import bleu_counts, pooled_bleu


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("draw", ["normal", "uniform", "bernoulli", "exponential"])
def test_interval_of_a_mean_covers(draw: str, generator: np.random.Generator) -> None:
    size = (200, 500)
    samples, mean = {
        "normal": lambda: (generator.normal(3, 2, size), 3),
        "uniform": lambda: (generator.uniform(0, 1, size), 0.5),
        "bernoulli": lambda: (generator.random(size) < 0.3, 0.3),
        "exponential": lambda: (generator.exponential(1, size), 1),
    }[draw]()
    found = bootstrap(dict(enumerate(samples.T)), resamples=1000, seed=1).values()
    assert 0.92 <= np.mean([interval.low <= mean <= interval.high for interval in found]) <= 0.98


def test_interval_equals_the_plain_loop(generator: np.random.Generator) -> None:
    column = generator.normal(size=60)
    column[::7] = np.nan
    drawn = np.concatenate(list(resampled_rows(60, 300, seed=3)))
    means = [np.nanmean(column[rows]) for rows in drawn]
    found = bootstrap({"x": column}, resamples=300, level=0.9, seed=3)["x"]
    assert found.value == pytest.approx(np.nanmean(column))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))
    assert found.n == np.sum(~np.isnan(column))


@pytest.mark.filterwarnings("ignore::UserWarning:nltk.translate.bleu_score")
def test_bleu_interval_equals_the_plain_loop(generator: np.random.Generator) -> None:
    captions = [
        [[str(word) for word in generator.integers(0, 5, generator.integers(1, 12))] for _ in range(2)]
        for _ in range(30)
    ]
    counts = np.array([bleu_counts([gold], guess) for gold, guess in captions])
    drawn = np.concatenate(list(resampled_rows(30, 100, seed=5)))
    found = bootstrap({}, pooled_bleu(counts), resamples=100, seed=5)
    for name, weights in (("bleu2", (0.5, 0.5)), ("bleu4", (0.25,) * 4)):
        plain = [
            nltk_bleu([[captions[row][0]] for row in rows], [captions[row][1] for row in rows], weights=weights)
            for rows in drawn
        ]
        low, high = np.quantile(plain, [0.025, 0.975])
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=1e-9)
        assert found[name].n == 30


def test_same_seed_same_resamples_however_they_are_asked_for(
    generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = generator.normal(size=(2, 80))
    together = replicate({"one": one, "two": two}, resamples=50, seed=2)
    monkeypatch.setattr("molmix.analysis.bootstrap._BLOCK", 80 * 7)  # seven resamples at a time
    alone = replicate({"one": one}, resamples=50, seed=2)
    np.testing.assert_allclose(alone["one"].draws, together["one"].draws)
    assert not np.allclose(replicate({"one": one}, resamples=50, seed=3)["one"].draws, alone["one"].draws)


def test_difference_is_paired(generator: np.random.Generator) -> None:
    hard = generator.normal(size=400)  # what makes a molecule hard is shared by both systems
    columns = {"weak": hard + generator.normal(0, 0.05, 400), "strong": hard + 0.05}
    found = replicate(columns, seed=4)
    gap = found["strong"].minus(found["weak"]).interval()
    assert 0 < gap.low < gap.value < gap.high < 0.1
    assert found["weak"].interval().high > found["strong"].interval().low  # unpaired, they overlap


def test_columns_without_values() -> None:
    found = bootstrap({"none": np.full(5, np.nan), "one": np.array([2.0, *[np.nan] * 4])}, resamples=200)
    assert np.isnan([found["none"].value, found["none"].low, found["none"].high]).all()
    assert found["none"].n == 0
    assert (found["one"].value, found["one"].n) == (2, 1)
    assert np.isnan([found["one"].low, found["one"].high]).all()  # not an interval of width 0
    empty = bootstrap({"x": np.array([])}, pooled_bleu(np.empty((0, 10))), resamples=10)
    assert all(np.isnan(interval.value) and interval.n == 0 for interval in empty.values())
    assert bootstrap({}) == {}


def test_one_name_for_two_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="bleu2"):
        bootstrap({"bleu2": np.ones(3)}, pooled_bleu(np.ones((3, 10))))
