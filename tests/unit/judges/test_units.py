"""Captions cut without understanding: sentences, chunks of them, and nothing lost on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molmix.judges.decompose.units import UNITS, even_chunks, packed_chunks, sentences


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("It is a dye. It impacts gout.", ["It is a dye.", "It impacts gout."]),
        ("It is a dye.\n It is  red!  Is it?", ["It is a dye.", "It is red!", "Is it?"]),
        (
            "Found in Streptomyces sp. and in E. coli. It is red.",
            ["Found in Streptomyces sp. and in E. coli.", "It is red."],
        ),
        (
            "It inhibits EC 9.9.9.9 (made up. Really) well; it is new.",
            ["It inhibits EC 9.9.9.9 (made up. Really) well; it is new."],
        ),
        ("It is vitamin C. It is sour.", ["It is vitamin C.", "It is sour."]),
        ("Yes. Yes. ... No", ["Yes.", "Yes.", "No"]),
        ("no end", ["no end"]),
        ("它是染料。它有毒！ 是吗？", ["它是染料。", "它有毒！", "是吗？"]),
        ("彼は「水だ。」と言った。赤い。", ["彼は「水だ。」と言った。", "赤い。"]),
        ("यह जल है। यह लाल है।", ["यह जल है।", "यह लाल है।"]),
        ("ما هذا؟ هذا ماء۔ نعم.", ["ما هذا؟", "هذا ماء۔", "نعم."]),
    ],
)
def test_sentences(caption: str, expected: list[str]) -> None:
    assert UNITS["sentences"](caption) == expected


def test_sentences_over_10_are_longer_than_10_characters() -> None:
    assert UNITS["sentences-over-10"]("It is acid. It is red. Yes.") == ["It is acid."]
    assert UNITS["sentences-over-10"]("Yes.") == []


def test_whole() -> None:
    assert UNITS["whole"]("  It is a dye.\n It is red. ") == ["It is a dye. It is red."]


def test_packed_fills_chunks_and_never_cuts_a_sentence() -> None:
    caption = "One two. One two three. One. One two three four five six. One two. One."
    assert packed_chunks(caption, 5) == [
        "One two. One two three.",
        "One.",
        "One two three four five six.",
        "One two. One.",
    ]
    assert packed_chunks(caption, 100) == [caption]


def test_even_gives_chunks_one_number_of_sentences() -> None:
    caption = "One two. " * 7  # 14 words
    # 14 // 5 + 1 = 3 chunks asked, 7 // 3 = 2 sentences each
    assert [chunk.count("One") for chunk in even_chunks(caption, 5)] == [2, 2, 2, 1]
    assert even_chunks(caption, 14) == ["One two. One two. One two.", "One two. One two. One two.", "One two."]
    assert even_chunks(caption, 15) == [caption.strip()]
    assert even_chunks("One two three four.", 2) == ["One two three four."]


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("caption", ["", " \n", "...", "- ; ( . ) !"])
def test_what_says_nothing_has_no_units(caption: str, units: str) -> None:
    assert UNITS[units](caption) == []


WORDS = st.sampled_from(
    ["dye", "gout", "A", "e.g.", "(a. b)", "sp.", "C.", "end.", "why?", "-", "...", "\n", "(", "α-D"]
)


@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_nothing_that_is_said_is_lost(caption: str) -> None:
    said = [word for word in caption.split() if any(map(str.isalnum, word))]
    for split in (UNITS["whole"], sentences, lambda text: packed_chunks(text, 5), lambda text: even_chunks(text, 5)):
        pieces = split(caption)
        assert [word for piece in pieces for word in piece.split() if any(map(str.isalnum, word))] == said
        assert all(any(map(str.isalnum, piece)) for piece in pieces)
