"""Adapting an NLI model: the pairs, what is refused, and a small model that learns them."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, write_table
from molmix.judges.nli.domain_pairs import KINDS, DomainPairs, denied, general_pairs, reworded
from molmix.judges.nli.settings import PairKind
from molmix.models.manifests import write_manifest
from tests.nli_models import make_model

CAPTIONS = [
    f"The molecule is {'an' if kind[0] in 'aeiou' else 'a'} {kind} {base} that has a chain of {count} carbons. "
    f"It has a role as a {source} metabolite and {role}. It is a conjugate base of {acid}-{base} and contains "
    f"a {place}-hydroxy group."
    for kind, count in (("aromatic", "two"), ("aliphatic", "four"), ("cyclic", "six"))
    for base, place in (("alcohol", 3), ("ketone", 4), ("aldehyde", 7))
    for source, role in (("plant", "a dye"), ("human", "an inhibitor"), ("mouse", "a metabolite"))
    for acid in ("L", "D")
]
MOLECULES = ["C" * (number + 1) + "O" for number in range(len(CAPTIONS))]


@pytest.fixture(scope="module")
def pairs() -> DomainPairs:
    return DomainPairs(CAPTIONS, Random(0))


@pytest.fixture
def arguments(tmp_path: Path) -> dict:
    weights = make_model(tmp_path / "parent/weights", "bert")
    write_manifest(tmp_path / "parent/manifest.json", {"id": "parent", "kind": "nli"}, weights)
    rows = [{"molecule": smiles, "caption": text} for smiles, text in zip(MOLECULES, CAPTIONS, strict=True)]
    write_table(tmp_path / "train.parquet", rows)
    write_table(tmp_path / "test.parquet", [{"molecule": "c1ccccc1", "references": ["It is aromatic."]}])
    return {
        "parent": tmp_path / "parent/manifest.json",
        "corpus": tmp_path / "train.parquet",
        "tests": {"test": tmp_path / "test.parquet"},
        "pairs": 400,
        "general_share": 0.25,
        "learning_rate": 3e-3,
        "parent_share": 0.0,
        "max_length": 64,
        "seed": 3,
        "threads": 1,
    }


def test_every_kind_has_a_label_and_a_name_in_the_config() -> None:
    assert set(KINDS) == set(get_args(PairKind))
    assert {label for label, _ in KINDS.values()} == {"entailment", "neutral", "contradiction"}


def test_pairs_are_of_every_kind_and_labels_are_balanced(pairs: DomainPairs) -> None:
    drawn = pairs.draw(600)
    assert {pair.kind for pair in drawn} == set(KINDS)
    assert all(pair.label == KINDS[pair.kind][0] for pair in drawn)
    assert len(set(drawn)) == len(drawn)
    labels = Counter(pair.label for pair in drawn)
    assert min(labels.values()) > 0.2 * len(drawn)
    kept = pairs.draw(300, leave_out=["number", "negation"])
    assert {pair.kind for pair in kept} == set(KINDS) - {"number", "negation"}


def test_pairs_are_the_same_again_in_any_order_of_the_captions() -> None:
    one, other = (DomainPairs(captions, Random(5)).draw(100) for captions in (CAPTIONS, CAPTIONS[::-1]))
    assert one == other


def test_contradictions_are_never_stated_by_the_caption(pairs: DomainPairs) -> None:
    for pair in pairs.draw(600):
        if pair.label == "entailment" or pair.premise not in CAPTIONS:
            continue
        assert pair.hypothesis.split(" ", 3)[-1].rstrip(".") not in pair.premise


def test_coarser_classes_are_entailed_and_finer_ones_are_not(pairs: DomainPairs) -> None:
    drawn = pairs.draw(600)
    metabolites = "The molecule has a role as a metabolite."
    assert any(
        pair.hypothesis == metabolites and pair.label == "entailment" for pair in drawn if pair.kind == "coarser"
    )
    assert any(pair.premise == metabolites and pair.label == "neutral" for pair in drawn if pair.kind == "finer")


@pytest.mark.parametrize(
    ("atom", "denial"),
    [
        ("The molecule is a dye.", "The molecule is not a dye."),
        ("The molecule has a role as a dye.", "The molecule does not have a role as a dye."),
        ("The molecule possesses rings.", "The molecule does not possess rings."),
        ("The molecule carries a charge.", "The molecule does not carry a charge."),
        ("The molecule is not a dye.", None),
        ("The molecule does not have rings.", None),
        ("Others are dyes.", None),
    ],
)
def test_denials(atom: str, denial: str | None) -> None:
    assert denied(atom) == denial


def test_other_frames_keep_the_statement() -> None:
    said = {reworded("The molecule has a role as a dye.", Random(number)) for number in range(50)}
    assert len(said) > 5 and all(text.endswith(" dye.") for text in said)
    assert reworded("Others are dyes.", Random(0)) == "Others are dyes."


def test_general_pairs_share_words() -> None:
    words = [f"w{number}" for number in range(500)]
    drawn = general_pairs(words, 200, Random(0))
    assert drawn == general_pairs(words, 200, Random(0))
    shared = [set(premise[:-1].lower().split()) & set(hypothesis[:-1].lower().split()) for premise, hypothesis in drawn]
    assert sum(map(bool, shared)) > 100


@pytest.mark.slow
def test_a_model_learns_the_pairs_and_is_the_same_again(arguments: dict, tmp_path: Path) -> None:
    from molmix.judges.nli.adapt import adapt
    from molmix.judges.nli.model import NliModel

    for name in ("one", "two"):
        adapt(**arguments, leave_out=["negation"], out=tmp_path / name)
    one, two = (read_json(tmp_path / name / "manifest.json") for name in ("one", "two"))
    assert one["weights"] == two["weights"]
    assert (one["kind"], one["method"], one["parents"]) == ("nli", "adapted", ["parent"])
    assert one["rows"] == {"captions": 54, "pairs": 300, "general": 100, "heldout": one["rows"]["heldout"]}
    assert "negation" in one["accuracy"]["by_kind"]  # a kind that is left out is measured, too
    assert one["accuracy"]["all"] > one["accuracy_of_parent"]["all"]
    assert 0 <= one["same_on_general_pairs"] <= 1
    model = NliModel.load(tmp_path / "one/weights")
    assert model.has_contradiction
    assert model.score([("A dye.", "A dye.")]).probabilities.sum() == pytest.approx(1)


@pytest.mark.slow
def test_weights_are_averaged_with_those_of_the_parent(arguments: dict, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from molmix.judges.nli.adapt import adapt

    for share in (0.0, 0.75):
        adapt(**arguments | {"parent_share": share, "pairs": 100}, out=tmp_path / str(share))
    parent = load_file(tmp_path / "parent/weights/model.safetensors")
    tuned, mixed = (load_file(tmp_path / name / "weights/model.safetensors") for name in ("0.0", "0.75"))
    for name, weight in parent.items():
        assert (mixed[name] - (0.75 * weight + 0.25 * tuned[name])).abs().max() < 1e-6
    assert any((weight != tuned[name]).any() for name, weight in parent.items())


def test_a_parent_of_two_classes_and_pairs_of_the_user(arguments: dict, tmp_path: Path) -> None:
    from molmix.judges.nli.adapt import adapt
    from molmix.judges.nli.model import NliModel

    weights = make_model(tmp_path / "two/weights", "roberta", ("LABEL_0", "LABEL_1"))
    write_manifest(tmp_path / "two/manifest.json", {"id": "two", "kind": "nli"}, weights)
    general = tmp_path / "general.jsonl"
    general.write_text('{"premise": "A cat sleeps.", "hypothesis": "No cat sleeps.", "label": "contradiction"}\n' * 20)
    arguments |= {"parent": tmp_path / "two/manifest.json", "pairs": 100, "general": general}
    adapt(**arguments, labels=["neutral", "entailment"], out=tmp_path / "out")
    facts = read_json(tmp_path / "out/manifest.json")
    assert facts["labels"] == ["entailment", "neutral"] and facts["rows"]["general"] == 25
    assert not NliModel.load(tmp_path / "out/weights").has_contradiction  # its config names the classes now


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"molecule": "OCCC", "references": ["x"]}, "CCCO"),  # the same molecule in other letters
        ({"molecule": "[O-]CCC", "references": ["x"]}, "CCCO"),  # at the level `parent`
        ({"molecule": "", "references": [CAPTIONS[0]]}, "CO"),  # references without molecules
    ],
)
def test_a_corpus_that_overlaps_a_test_set_is_refused(arguments: dict, row: dict, named: str, tmp_path: Path) -> None:
    from molmix.judges.nli.adapt import adapt

    write_table(tmp_path / "test.parquet", [row])
    with pytest.raises(MolmixError, match=rf"nli\.out\.corpus: 1 of its molecules .*{named} in 'test'.*\n"):
        adapt(**arguments, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
