"""`molmix nli-check`: figures by hand, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from molmix.cli import app
from molmix.core.errors import MolmixError
from molmix.core.files import write_table
from molmix.judges.decompose.tables import ATOMS
from molmix.judges.nli.check import check_nli, check_on_labels, check_on_null_pairs, expected_calibration_error
from molmix.judges.nli.labels import LABELS
from molmix.judges.nli.model import NliModel
from tests.nli_models import PAIRS, make_model

TRUTH = ("neutral", "contradiction", "entailment", "neutral", "ambiguous")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("nli"), "roberta")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [
        {"premise": premise, "hypothesis": hypothesis, "label": TRUTH[number % 5]}
        for number, (premise, hypothesis) in enumerate(PAIRS)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [
        {"id": str(number), "atoms": ["The molecule is a dye.", f"It has {number} rings."], "fallback": False}
        for number in range(6)
    ]
    for units in ("rules", "whole"):
        path = tmp_path / f"results/r/atoms/{units}/reference/test.parquet"
        path.parent.mkdir(parents=True)
        write_table(path, rows, ATOMS)
    return tmp_path / "results/r"


def test_figures_by_hand(folder: Path, pairs: Path) -> None:
    model = NliModel.load(folder)
    probabilities = model.score(PAIRS).probabilities
    said = [LABELS[index] for index in probabilities.argmax(axis=1)]
    truth = [TRUTH[number % 5] for number in range(len(PAIRS))]
    both = list(zip(said, truth, strict=True))
    checked = check_on_labels(model, pairs)
    assert (checked.pairs, checked.classes) == (len(PAIRS), 3)
    assert checked.accuracy == pytest.approx(np.mean([a == b for a, b in both if b != "ambiguous"]))
    assert checked.false_contradictions == pytest.approx(
        np.mean([a == "contradiction" for a, b in both if b != "contradiction"])
    )
    assert checked.called == said.count("contradiction") > 0
    assert checked.wrongly_called == pytest.approx(
        np.mean([b != "contradiction" for a, b in both if a == "contradiction"])
    )


def test_calibration() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 1.0, 0.5], np.float32)
    right = np.array([True, True, False, False, True, True])
    # One bin of .95 and 1.0 (4.8 against 3 of 5), one of .5 (.5 against 1): (1.8 + .5) / 6.
    assert expected_calibration_error(confidence, right) == pytest.approx(2.3 / 6)
    assert np.isnan(expected_calibration_error(confidence[:0], right[:0]))


def test_null_pairs_are_of_different_molecules(folder: Path, run: Path) -> None:
    checked = check_on_null_pairs(NliModel.load(folder), [run / "atoms/rules/reference/test.parquet"], pairs=100)
    assert checked.pairs == 30 and checked.same == 6  # what all are said to be is in no pair
    assert sum(checked.said.values()) == pytest.approx(1) == pytest.approx(sum(checked.mean.values()), abs=1e-4)
    assert 0 <= checked.calibration_error <= 1


def test_two_classes(tmp_path: Path, pairs: Path) -> None:
    lines = dict(check_nli(str(make_model(tmp_path / "two", "roberta", ("entailment", "not_entailment"))), pairs=pairs))
    assert "two classes" in lines["note"] and "false contradictions" not in lines


def test_the_command(folder: Path, pairs: Path, run: Path) -> None:
    done = CliRunner().invoke(app, ["nli-check", str(folder), "--pairs", str(pairs), "--run", str(run)])
    assert done.exit_code == 0, done.output
    for line in ("accuracy", "false contradictions", "expected calibration error", "atoms that entail themselves"):
        assert line in done.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no pairs"),
        ("{", "line 1: is no JSON"),
        ('{"premise": "a", "label": "neutral"}', "line 1: lacks"),
        ('{"premise": "a", "hypothesis": "b", "label": "yes"}', "label 'yes'"),
    ],
)
def test_refused_files(folder: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(MolmixError, match=message):
        list(check_nli(str(folder), pairs=tmp_path / "bad.jsonl"))


def test_nothing_to_check_it_on(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match="--pairs, --run"):
        list(check_nli(str(folder)))
    with pytest.raises(MolmixError, match="no atoms of different molecules"):
        list(check_nli(str(folder), run=tmp_path))
    with pytest.raises(MolmixError, match="no local folder"):
        list(check_nli("org/model", run=tmp_path))
