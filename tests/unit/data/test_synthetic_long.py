"""Long captions are long, say nothing but the truth, and lean on each other more than rules can follow."""

from random import Random

import numpy as np
import pytest

from molmix.data.synthetic.captions import parse
from molmix.data.synthetic.corpus import corpus
from molmix.data.synthetic.logic import close, relation
from molmix.data.synthetic.long import WORDS, long_caption, long_rows
from molmix.judges.decompose.backends.rules import decompose


@pytest.fixture(scope="module")
def frame():
    made = corpus(800, seed=3)
    return made[made.split == "id"]


@pytest.fixture(scope="module")
def long(frame):
    return long_rows(frame, seed=1)


def test_they_are_rows_of_the_same_molecules(frame, long):
    assert list(long.columns) == list(frame.columns)
    assert list(long.id) == [f"long-{name}" for name in frame.id]
    assert list(long.molecule) == list(frame.molecule)
    assert set(long.split) == {"long"}
    assert set(frame.split) == {"id"}


def test_they_are_long_and_connected(long):
    words = long.caption.str.split().str.len()
    assert words.between(WORDS, 130).all()
    assert (long.caption.str.count(r"\. ") >= 5).all()
    assert long.caption.str.startswith("The molecule ").all()
    for sign in ("the latter", "The first of these", "Neither of these", "Nor does", "also", "Besides that, it", "Its"):
        assert long.caption.str.contains(sign, regex=False).any(), sign


def test_they_state_every_fact_and_only_truths(long):
    for row in long.itertuples():
        assert len(set(row.facts)) == len(row.facts)
        assert set(row.truth) <= set(row.facts)
        assert relation(close(row.truth), row.facts) == "entailment"


def test_rules_understand_most_of_them_but_not_all(long):
    """The figure that the docs give; no fact is understood that is not stated."""
    shares = []
    for row in long.itertuples():
        found = {fact for atom in decompose([row.caption])[0] for fact in parse(atom)}
        assert found <= set(row.facts), row.caption
        shares.append(len(found) / len(row.facts))
    assert 0.8 < np.mean(shares) < 0.9


def test_they_follow_from_seed_and_molecule(frame, long):
    part = long_rows(frame.iloc[::-3], seed=1)
    assert part.equals(long.loc[part.index])
    assert not long_rows(frame, seed=2).caption.equals(long.caption)


def test_where_there_is_little_to_say_it_is_all_said():
    text, stated = long_caption(["ring=1"], ["ring=1", "role!=dye"], Random(0))
    assert set(stated) == {"ring=1", "role!=dye"}
    assert len(text.split()) < WORDS
