"""Longer premises: the whole other text, and the atoms that are most about an atom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from molmix import Judge
from molmix.judges.kinds import parse_judge
from molmix.judges.nli.inference import predict_pairs
from tests.nli_models import make_model

REFERENCES = ["It is a dye. It has two rings. It is a poison.", "It is a wax.", "It is a dye."]
CAPTIONS = ["It is a dye that has three rings.  It is a drug.", "It is a wax.", ""]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("nli") / "tiny", "bert")


def judged(model: Path, store: Path, **settings: Any) -> tuple[Judge, Any, dict[str, Any]]:
    judge = Judge("atomic", nli=model, store=store, exact="none", **settings)
    with pytest.warns(UserWarning, match="not licensed"):  # random weights
        scores = judge.score(REFERENCES, CAPTIONS)
    assert judge._last is not None
    units = {"generated": judge._last.generated["atoms"][0].as_py(), "given": judge._last.reference["atoms"][0].as_py()}
    return judge, scores, units | judge._last.table.to_pylist()[0]


def entailment(judge: Judge, store: Path, pairs: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Entailment and neutral of pairs, as the model says."""
    assert judge._judge.nli is not None
    values = predict_pairs(pairs, model=judge._judge.nli, cache=store, name="test", ask_identical=False)
    return values["entailment"], 1 - values["entailment"].astype(float) - values["contradiction"]


def test_the_whole_text_is_the_premise(model: Path, tmp_path: Path) -> None:
    judge, scores, row = judged(model, tmp_path, premises="text", threshold=1)
    said, given = row["generated"], row["given"]
    by_reference, _ = entailment(judge, tmp_path, [(REFERENCES[0], atom) for atom in said])
    by_caption, _ = entailment(judge, tmp_path, [(CAPTIONS[0], atom) for atom in given])
    assert said[0] == given[0] == "The molecule is a dye."
    by_reference[0] = by_caption[0] = 1  # an atom of both texts
    assert row["generated_support"] == pytest.approx(by_reference.tolist(), abs=1e-3)
    assert row["reference_support"] == pytest.approx(by_caption.tolist(), abs=1e-3)
    assert scores["atomic_precision"][0] == pytest.approx(by_reference.mean(), abs=1e-3)
    assert scores["coverage"][0] == scores["atomic_recall"][0] == pytest.approx(by_caption.mean(), abs=1e-3)
    assert scores["supported"][0] == np.mean(by_reference >= 0.5)
    assert scores["atomic_f1"][1] == 1  # identical texts
    assert scores["atomic_f1"][2] == scores["coverage"][2] == 0  # no atoms


def test_infuse_grows_the_premise_until_neutral_rises(model: Path, tmp_path: Path) -> None:
    judge, _, row = judged(model, tmp_path, premises="infuse")
    said, given = row["generated"], row["given"]
    for atom, found in zip(said, row["generated_support"], strict=True):
        forward, neutral = entailment(judge, tmp_path, [(one, atom) for one in given])
        about = forward + entailment(judge, tmp_path, [(atom, one) for one in given])[0]
        order = np.argsort(-about, kind="stable").tolist()
        best, least = forward[order[0]], neutral[order[0]]
        for size in range(2, len(given) + 1):
            premise = " ".join(given[index] for index in sorted(order[:size]))
            (value,), (rest,) = entailment(judge, tmp_path, [(premise, atom)])
            if rest > least:
                break
            best, least = value, rest
        assert found == pytest.approx(best, abs=1e-3)
    assert f"atomic_precision = ({min(row['generated_support'][0] / 0.5, 1):.4f}" in judge.explain(0)
    assert "most about it together" in judge.explain(0)


def test_single_atoms_are_asked_as_before() -> None:
    assert "premises" not in parse_judge({"kind": "atomic", "nli": "m"}).asking  # results stay valid
    assert parse_judge({"kind": "atomic", "nli": "m", "premises": "text"}).asking["premises"] == "text"


def test_one_to_one_needs_single_atoms() -> None:
    with pytest.raises(ValidationError, match="or `premises: atoms`"):
        parse_judge({"kind": "atomic", "nli": "m", "premises": "text", "alignment": "one_to_one"})
