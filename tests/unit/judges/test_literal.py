"""What the words of a pair say without a model: identical texts, and values that a premise lacks."""

import time
from pathlib import Path

import numpy as np
import pytest

from molmix.core.files import read_table, write_table
from molmix.judges.decompose.tables import ATOMS
from molmix.judges.nli.inference import predict_tables
from molmix.judges.nli.literal import identical, lacking
from molmix.models.manifests import write_manifest
from tests.nli_models import make_model


def _pair(first: str, second: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    return [first, second], np.array([0]), np.array([1])


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("The molecule is a dye.", "the  molecule is a dye", True),
        (" It is long .", "It is long.", True),
        ("It is a DNA dye.", "It is a dna dye.", False),
        ("It is a dye.", "It is a drug.", False),
        ("", "", True),
    ],
)
def test_identical(first: str, second: str, same: bool) -> None:
    assert identical(*_pair(first, second)).tolist() == [same]


@pytest.mark.parametrize(
    ("premise", "hypothesis", "exact", "lacks"),
    [
        ("It has two rings.", "It has three rings.", "numbers", True),
        ("It has 2 rings.", "It has two rings.", "numbers", False),
        ("It has two rings and 4 chains.", "It has two rings.", "numbers", False),
        ("It has rings.", "It has two rings.", "numbers", True),
        ("It is octan-4-ol.", "It is octan-3-ol.", "numbers", True),
        ("It is methylated at C-3 and C-4.", "It is methylated at C-4 and C-4.", "numbers", True),
        ("It is a phosphate(2-).", "It is a phosphate(3-).", "numbers", True),
        ("It is a phosphate(2-).", "It is a phosphate(2+).", "numbers", True),
        ("It weighs 0.5 g.", "It weighs 5 g.", "numbers", True),
        ("It is (R)-lactic acid.", "It is (S)-lactic acid.", "numbers", False),
        ("It is (R)-lactic acid.", "It is (S)-lactic acid.", "stereo", True),
        ("It is the 1R,8aR-isomer.", "It is the 1R,8aS-isomer.", "stereo", True),
        ("It is an alpha-amino acid.", "It is an amino acid.", "stereo", False),
        ("It is an amino acid.", "It is an alpha-amino acid.", "stereo", True),
        ("It is (-)-menthol.", "It is (+)-menthol.", "stereo", True),
        ("It is cis.", "It is trans.", "stereo", True),
        ("It has two rings.", "It has three rings.", "none", False),
        ("Es hat zwei Ringe.", "Es hat drei Ringe.", "stereo", False),
    ],
)
def test_values_that_a_premise_lacks(premise: str, hypothesis: str, exact: str, lacks: bool) -> None:
    assert lacking(*_pair(premise, hypothesis), exact).tolist() == [lacks]


def test_many_pairs_take_a_second() -> None:
    rng = np.random.default_rng(0)
    texts = [f"The molecule is {number % 500}-methyl-{number} at C-{number % 7}." for number in range(3000)]
    premises, hypotheses = rng.integers(0, len(texts), (2, 200_000))
    start = time.process_time()
    found = lacking(texts, premises, hypotheses, "stereo")
    assert time.process_time() - start < 2
    assert np.array_equal(found, premises != hypotheses)


def _atoms(path: Path, atoms: list[str]) -> Path:
    write_table(path, [{"id": "a", "atoms": atoms, "fallback": False}], ATOMS)
    return path


def test_the_model_is_asked_about_neither_itself(tmp_path: Path) -> None:
    """Identical pairs are entailed in both directions; every other answer is the model's; `exact` lowers entailment."""
    make_model(tmp_path / "model", "bert")
    write_manifest(tmp_path / "manifest.json", {"id": "nli"}, tmp_path / "model")
    sides = (
        _atoms(tmp_path / "r.parquet", ["The molecule is a dye.", "It is long."]),
        _atoms(tmp_path / "g.parquet", ["the molecule is  a dye", "It has two rings."]),
    )

    def ask(**settings: object) -> tuple[dict, dict]:
        counts = predict_tables(
            atoms={"t": sides},
            outs={"t": tmp_path / "out.parquet"},
            model=tmp_path / "manifest.json",
            cache=tmp_path / "cache",
            **settings,
        )
        return counts["t"], read_table(tmp_path / "out.parquet").to_pylist()[0]

    counts, known = ask()
    assert counts["distinct"] == 8 and counts["computed"] == 6
    for way in ("forward", "backward"):
        assert known[f"{way}_entailment"][0] == 1 and known[f"{way}_contradiction"][0] == 0
    counts, asked = ask(ask_identical=True)  # the cache holds nothing of what was known without asking
    assert counts["computed"] == 2 and 0 < asked["forward_entailment"][0] < 1
    assert known["forward_entailment"][1:] == asked["forward_entailment"][1:]
    counts, exact = ask(exact="numbers")
    assert counts["computed"] == 0
    assert exact["forward_entailment"][2:] == [0, 0] != known["forward_entailment"][2:]
    assert exact["forward_contradiction"] == known["forward_contradiction"]
    assert exact["backward_entailment"] == known["backward_entailment"]  # a text without numbers lacks none
