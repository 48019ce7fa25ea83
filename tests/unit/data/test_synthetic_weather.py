"""The world outside chemistry: its records, reports and NLI pairs, and the decomposer of plain prose."""

import re

import pytest

from molmix.core.errors import MolmixError
from molmix.data.synthetic import weather
from molmix.judges.decompose import decompose
from molmix.judges.decompose.backends import clauses


def stated(text: str) -> dict[str, str]:
    """What a text says of each topic, found by its words."""
    return {
        topic: value
        for topic, values in weather.WORDINGS.items()
        for value, wordings in values.items()
        if any(re.search(rf"\b{wording}\b", text.lower()) for wording in wordings)
    }


def test_reports_say_what_stands_in_their_records() -> None:
    table = weather.world_table(600, 7)
    assert table["molecule"].is_unique and weather.world_table(600, 7).equals(table)
    for record, report in zip(table["molecule"], table["caption"], strict=True):
        held = dict(item.split("=") for item in record.split("; "))
        said = stated(report)
        assert said.items() <= held.items() and len(said) >= weather.LEAST


def test_sky_and_wind_of_ood_are_not_seen_elsewhere() -> None:
    table = weather.world_table(600, 7)
    apart = set(table[table["split"] == "ood"]["scaffold"])
    assert apart and not apart & set(table[table["split"] != "ood"]["scaffold"])
    assert set(table["split"]) == {"train", "validation", "id", "ood"}


def test_more_records_than_there_are_is_refused() -> None:
    with pytest.raises(MolmixError, match=r"world\.molecules"):
        weather.world_table(8000, 7)


def test_labels_follow_from_what_both_texts_say() -> None:
    pairs = weather.nli_pairs(800, 1, "train")
    assert set(pairs["label"]) == {"entailment", "neutral", "contradiction"}
    for premise, hypothesis, label in pairs[["premise", "hypothesis", "label"]].itertuples(index=False):
        one, other = stated(premise), stated(hypothesis)
        if any(one.get(topic, value) != value for topic, value in other.items()):
            assert label == "contradiction"
        else:
            assert label == ("entailment" if other and other.items() <= one.items() else "neutral")


def test_no_pair_is_in_both_splits() -> None:
    sides = [
        {frozenset(pair) for pair in weather.nli_pairs(500, seed, split)[["premise", "hypothesis"]].to_numpy()}
        for seed, split in ((1, "train"), (2, "heldout"))
    ]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize(
    ("text", "atoms"),
    [
        ("The sky is clear and the wind is calm.", ["The sky is clear.", "The wind is calm."]),
        ("It is cold and wet; there will be snow", ["It is cold and wet.", "There will be snow."]),
        ("The sea is rough, but it is warm. The sea is rough.", ["The sea is rough.", "It is warm."]),
        ("Rain and the like.", ["Rain.", "The like."]),  # a list whose items have articles is taken for statements
        (" … ", []),
    ],
)
def test_clauses(text: str, atoms: list[str]) -> None:
    assert clauses.decompose([text]) == [atoms]
    assert decompose([text], {"backend": "clauses"}).atoms == [atoms]


def test_every_statement_of_a_report_is_an_atom() -> None:
    reports = list(weather.world_table(300, 7)["caption"])
    for report, atoms in zip(reports, clauses.decompose(reports), strict=True):
        assert all(len(stated(atom)) == 1 for atom in atoms)
        assert {item for atom in atoms for item in stated(atom).items()} == set(stated(report).items())


def test_a_clause_in_the_scope_of_another_is_not_cut_off() -> None:
    texts = [
        "It is not true that the sky is clear and the wind is calm.",
        "If it is cold, it snows and the wind blows.",
    ]
    assert clauses.decompose(texts) == [[text] for text in texts]
