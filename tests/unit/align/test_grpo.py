"""GRPO: rewards are the numbers of judges and metrics, and a killed training resumes to the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from molmix.align import rewards
from molmix.align.rewards import FORM, Rewards
from molmix.align.settings import resolve_settings
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_table
from molmix.data.corpus import CORPUS
from molmix.judges.decompose.backends.rules import RulesSettings
from molmix.judges.judge import Judge
from molmix.judges.kinds import parse_judge
from molmix.judges.nli.cached_model import CachedModel
from molmix.judges.nli.settings import PretrainedNli
from molmix.metrics import Options
from molmix.metrics.bleu import COUNT_COLUMNS, corpus_bleu
from molmix.metrics.scorer import CaptionScorer, scorer_settings
from tests.nli_models import make_model
from tests.unit.align.test_training import (  # noqa: F401 # fixtures
    CAPTIONS,
    Killed,
    contents,
    evaluation,
    kill_at,
    pairs,
    run,
    start,
    tokenizer,
)

JUDGES = {
    "atomic": parse_judge({"kind": "atomic", "nli": "tiny"}),
    "summac": parse_judge({"kind": "summac_zs", "nli": "tiny"}),
    "grounded": parse_judge({"kind": "grounded"}),
}
OPTIONS = Options(
    judges={name: judge.model_dump() for name, judge in JUDGES.items()},
    vocabulary=None,
    wordnet=None,
    domain="molecules",
)
REWARD = {"atomic_f1": 1.0, "hallucination": -0.5, "length": -0.1, "empty": -1.0}
EVAL = ["summac.consistency", "bleu4", "f1"]
SMALL = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "num_generations": 4,
    "max_completion_length": 12,
    "learning_rate": 1e-2,
    "eval_steps": 2,
}


@pytest.fixture(scope="module")
def nli(tmp_path_factory) -> dict[str, Path]:
    """Manifest of a tiny NLI model, by its name."""
    from molmix.models.pretrained import fetch

    folder = tmp_path_factory.mktemp("nli")
    make_model(folder / "weights", "bert")
    manifest = folder / "tiny" / "manifest.json"
    fetch(model_id="tiny", kind="nli", source=str(folder / "weights"), revision=None, manifest=manifest)
    return {"tiny": manifest}


def settings_of(*columns: str) -> dict:
    models = {"tiny": PretrainedNli(kind="pretrained", id="/tiny", dtype="float32", max_length=64)}
    return scorer_settings(columns, OPTIONS, JUDGES, {"rules": RulesSettings(backend="rules")}, models, "key")


def of_corpus(number: int, **over) -> dict:
    known = {"properties": None, "facts": ["a"], "truth": ["a"]}
    return {
        "id": f"r{number}",
        "molecule": f"{'C' * (number % 7 + 1)}O",
        "caption": f"The molecule is {CAPTIONS[number % 6]}.",
        **known,
    } | over


def molecule(number: int) -> dict:
    own = of_corpus(number)
    return own | {"smiles": own["molecule"], "references": [own["caption"]]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> dict[str, Path]:
    """Tables of the molecules of the fixture `pairs`, in another order."""
    folder = tmp_path_factory.mktemp("corpus")
    numbers = {"train": reversed(range(16)), "validation": range(16, 20)}
    for split, own in numbers.items():
        write_table(folder / f"{split}.parquet", [of_corpus(number) for number in own], CORPUS)
    return {split: folder / f"{split}.parquet" for split in numbers}


@pytest.fixture(scope="module")
def grpo(run, nli, corpus, tmp_path_factory):  # noqa: F811
    store = tmp_path_factory.mktemp("store")

    def _grpo(out: Path, over: dict | None = None, **given) -> dict:
        resolved = resolve_settings("grpo", reward=REWARD, settings=SMALL | (over or {}), lora={"r": 4})
        resolved["evaluation"] = evaluation(metrics=EVAL)
        resolved["scorer"] = settings_of("atomic_f1", "hallucination", *EVAL)
        return run("sft", out, settings=resolved, **{"corpus": corpus, "nli": nli, "store": store} | given)

    return _grpo


# ---- rewards --------------------------------------------------------------------------------------------------

SAID = ["The molecule is a dye. It is long.", "", "The molecule is a salt. The molecule is a salt.", "It is long."]


def test_terms_are_the_judges_own_numbers(nli, tmp_path):
    rows = [molecule(number) for number in range(4)]
    reward = Rewards(REWARD, CaptionScorer(settings_of("atomic_f1", "hallucination"), nli, tmp_path / "store"))
    terms = reward.terms(SAID, rows)
    judge = Judge(
        "atomic", nli=str(nli["tiny"].parent.parent / "weights"), store=tmp_path / "own", max_length=64, dtype="float32"
    )
    scores = judge.score([row["references"] for row in rows], SAID)
    np.testing.assert_array_equal(terms["atomic_f1"], scores["atomic_f1"])
    # The hallucination of an empty caption is not defined, and counts as the worst.
    assert np.isnan(scores["hallucination"][1])
    np.testing.assert_array_equal(terms["hallucination"], scores["hallucination"].fillna(1.0))
    np.testing.assert_array_equal(terms["empty"], [0, 1, 0, 0])
    # 8 words against the 5 of "The molecule is an alcohol."; then 0, 10 and 3 words against 7, 5 and 8
    np.testing.assert_allclose(terms["length"], [3 / 5, 1, 1, 5 / 8])
    total = terms["atomic_f1"] - 0.5 * terms["hallucination"] - 0.1 * terms["length"] - terms["empty"]
    np.testing.assert_allclose(reward.total(terms), total)
    assert reward.total(terms).argmin() == 1


def test_no_pair_is_asked_twice(nli, tmp_path, monkeypatch):
    scorer = CaptionScorer(settings_of("atomic_f1", "summac.consistency"), nli, tmp_path)
    rows = [molecule(0)] * 3
    asked = []
    whole = CachedModel.score
    monkeypatch.setattr(CachedModel, "score", lambda self, some, bar: asked.extend(some) or whole(self, some, bar))
    first = scorer.scores(SAID[:3], rows, scorer.columns)
    assert asked
    assert len(asked) == len({*asked})
    count = len(asked)
    again = scorer.scores(SAID[:3], rows, scorer.columns)
    assert len(asked) == count
    assert first.equals(again)


def test_a_figure_is_that_of_the_leaderboard(nli, tmp_path):
    """Corpus BLEU is no mean; the other figures are."""
    rows = [molecule(number) for number in range(3)]
    captions = ["The molecule is an alcohol that smells.", "The molecule is an acid that smells.", "The molecule"]
    scorer = CaptionScorer(settings_of("bleu4", "rougeL"), nli, tmp_path)
    frame = scorer.scores(captions, rows, scorer.columns)
    figures = scorer.figures(captions, rows, [*scorer.columns])
    assert figures["rougeL"] == frame["rougeL"].mean()
    counts = frame[list(COUNT_COLUMNS)].to_numpy()
    assert figures["bleu4"] == corpus_bleu(counts.sum(axis=0, keepdims=True), 4)[0]
    assert figures["bleu4"] > frame["bleu4"].mean() + 0.1


def test_form():
    assert FORM["repetition"]("a b c a b c a b c", "") == pytest.approx(1 - 3 / 7)
    assert FORM["repetition"]("a b", "") == 0
    assert FORM["length"]("a b c", "a b c") == 0
    assert FORM["length"]("a " * 100, "a") == 1


def test_weights_that_reward_nothing_or_what_is_worse_are_refused():
    def check_reward(weights: dict, knows_facts: bool = True) -> None:
        rewards.check_reward(weights, OPTIONS, knows_facts=knows_facts, key="key")

    check_reward({"atomic_f1": 1.0, "hallucination": -1.0, "empty": -1.0, "bleu4": 0.0, "f1": 1.0})
    with pytest.raises(MolmixError, match=r"key: 'f1' needs all true facts of the molecules"):
        check_reward({"f1": 1.0}, knows_facts=False)
    with pytest.raises(MolmixError, match=r"key: 'text2mol' is made by another job"):
        check_reward({"text2mol": 1.0})
    with pytest.raises(MolmixError, match=r"(?s)key: there is no metric 'emty'.*did you mean 'empty'"):
        check_reward({"emty": -1.0})
    with pytest.raises(MolmixError, match=r"key: .* no weight other than 0"):
        check_reward({"atomic_f1": 0.0})
    with pytest.raises(MolmixError, match=r"(?s)key.hallucination: 1 rewards a worse caption: lower .* Hint: give -1"):
        check_reward({"hallucination": 1.0})
    with pytest.raises(MolmixError, match=r"key.empty: 0.5 rewards"):
        check_reward({"empty": 0.5})
    with pytest.raises(MolmixError, match=r"key.atomic_f1: -1 rewards a worse caption: higher"):
        check_reward({"atomic_f1": -1.0})


# ---- trainings ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_training_logs_rewards_and_its_manifest_names_the_judges_model(grpo, nli, tmp_path):
    out = tmp_path / "m"
    manifest = grpo(out)
    assert manifest["steps"] == 8  # 16 molecules, 2 a step
    assert manifest["inputs"]["nli.tiny"] == read_json(nli["tiny"])["weights"]["digest"]
    assert {"start", "pairs", "corpus.train", "corpus.validation"} < manifest["inputs"].keys()
    assert manifest["settings"]["reward"] == REWARD
    log = read_table(out / "log.parquet").to_pandas()
    assert log["step"].tolist() == [*range(9)]  # before the first step, too
    assert {"reward", "reward_std", "kl", "completions/mean_length"} <= {*log}
    terms = sum(weight * log[f"rewards/{name}/mean"] for name, weight in REWARD.items())
    np.testing.assert_allclose(log["reward"][1:], terms[1:], rtol=1e-5)
    evaluated = log["step"] % 2 == 0
    for name in ("f1", "bleu4"):
        assert (log[f"eval_{name}"].notna() == evaluated).all(), name
    assert "eval_summac.consistency" in log
    assert log["distinct"][1:].between(1 / 4, 1).all()
    assert (log["kl"][1:] >= 0).all()
    assert log["kl"].iloc[-1] > 0


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_bytes(grpo, tmp_path, monkeypatch):
    """It is killed in its second epoch, between two evaluations."""
    long = {"per_device_train_batch_size": 8, "num_train_epochs": 2.0, "save_steps": 1, "eval_steps": 3}
    grpo(tmp_path / "whole" / "m", long)
    with monkeypatch.context() as patch:
        kill_at(patch, 6)
        with pytest.raises(Killed):
            grpo(tmp_path / "m", long)
    kill_at(monkeypatch, 3)  # would die if it began anew
    grpo(tmp_path / "m", long)
    assert contents(tmp_path / "m") == contents(tmp_path / "whole" / "m")


@pytest.mark.slow
def test_it_learns_what_is_rewarded(grpo, run, start, pairs, corpus, tmp_path):  # noqa: F811
    """A policy whose captions are rewarded for their length writes captions of that length."""
    trl = SMALL | {"num_train_epochs": 6.0, "beta": 0.0, "num_generations": 8, "eval_steps": 100}
    trl |= {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 1}
    resolved = resolve_settings("grpo", reward={"length": -1.0}, settings=trl, adapter="none")
    resolved["scorer"] = settings_of()
    run("sft", tmp_path / "m", settings=resolved, corpus=corpus)
    reward = read_table(tmp_path / "m" / "log.parquet")["reward"].drop_null().to_numpy()
    assert reward[-8:].mean() > reward[:8].mean() + 0.1


def test_prompts_that_leave_no_room_or_fill_no_step_are_refused(grpo, tmp_path):
    with pytest.raises(MolmixError, match="leaves no room for a prompt: the window of the model is 96 tokens"):
        grpo(tmp_path / "m", {"max_completion_length": 96})
    with pytest.raises(MolmixError, match="its 16 molecules are fewer than one step"):
        grpo(tmp_path / "m", {"per_device_train_batch_size": 64})
